package config

import (
	"strconv"
	"strings"
)

// bytesPerConnection and mostConnections are those of RDS's default for max_connections of PostgreSQL:
// LEAST(DBInstanceClassMemory/9531392, 5000).
const (
	bytesPerConnection = 9531392
	mostConnections    = 5000
)

// burstableGiB is the memory of the t classes by their size; it follows no rule.
var burstableGiB = map[string]int{"micro": 1, "small": 2, "medium": 4, "large": 8, "xlarge": 16, "2xlarge": 32}

// perCPUGiB is the memory for each virtual CPU of the other families. A family's name begins with one of these; longer
// ones come first.
var perCPUGiB = []struct {
	prefix string
	gib    int
}{
	{"x2iedn", 32}, {"x2idn", 16}, {"x2g", 16}, {"x1e", 30}, {"z1d", 8}, {"r", 8}, {"m", 4}, {"c", 2},
}

// connectionLimit is what the memory of an RDS instance class gives as max_connections; 0 for a class that isn't known.
func connectionLimit(class string) int {
	return min(memoryGiB(class)<<30/bytesPerConnection, mostConnections)
}

func memoryGiB(class string) int {
	family, size, ok := strings.Cut(class, ".")
	if !ok {
		return 0
	}
	if strings.HasPrefix(family, "t") {
		return burstableGiB[size]
	}
	cpus := map[string]int{"medium": 1, "large": 2, "xlarge": 4}[size]
	if n, err := strconv.Atoi(strings.TrimSuffix(size, "xlarge")); err == nil && n > 0 && n < 100 && strings.HasSuffix(size, "xlarge") {
		cpus = 4 * n
	}
	for _, f := range perCPUGiB {
		if strings.HasPrefix(family, f.prefix) {
			return cpus * f.gib
		}
	}
	return 0
}
