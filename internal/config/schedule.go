package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	ratePattern = regexp.MustCompile(`^rate\(([1-9][0-9]{0,5}) (minute|minutes|hour|hours|day|days)\)$`)
	cronPattern = regexp.MustCompile(`^cron\((.*)\)$`)
)

// cronField is one of the six fields of EventBridge's cron expressions.
type cronField struct {
	name        string
	least, most int
	words       []string // names of the values, from least on
	wildcards   string   // of "?", "L", "W" and "#"
}

var cronFields = []cronField{
	{name: "minutes", most: 59},
	{name: "hours", most: 23},
	{name: "day-of-month", least: 1, most: 31, wildcards: "?LW"},
	{
		name: "month", least: 1, most: 12,
		words: []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"},
	},
	{name: "day-of-week", least: 1, most: 7, wildcards: "?L#", words: []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}},
	{name: "year", least: 1970, most: 2199},
}

// scheduleFault says what EventBridge expects instead of an expression; nothing if it takes the expression.
func scheduleFault(s string) string {
	if m := ratePattern.FindStringSubmatch(s); m != nil {
		unit := strings.TrimSuffix(m[2], "s")
		if m[1] == "1" && m[2] != unit {
			return "rate(1 " + unit + "): the unit of 1 has no s"
		}
		if m[1] != "1" && m[2] == unit {
			return fmt.Sprintf("rate(%s %ss): the unit of more than 1 has an s", m[1], unit)
		}
		return ""
	}
	m := cronPattern.FindStringSubmatch(s)
	if m == nil {
		return "rate(15 minutes), rate(1 hour) or cron(minutes hours day-of-month month day-of-week year), in UTC"
	}
	fields := strings.Fields(m[1])
	if len(fields) != len(cronFields) {
		return fmt.Sprintf("six fields in cron(…), not %d: minutes hours day-of-month month day-of-week year", len(fields))
	}
	for i, field := range cronFields {
		if !field.takes(fields[i]) {
			return fmt.Sprintf("another %s field than %q: %d to %d, or EventBridge's wildcards", field.name, fields[i], field.least, field.most)
		}
	}
	if (fields[2] == "?") == (fields[4] == "?") {
		return "a ? in exactly one of day-of-month and day-of-week"
	}
	return ""
}

func (f cronField) takes(s string) bool {
	parts := strings.Split(s, ",")
	for _, part := range parts {
		// A question mark, an L, a W or a # stands alone.
		special := strings.ContainsAny(part, "?#") || part == "L" || strings.HasSuffix(part, "W")
		if special && len(parts) > 1 || !f.takesPart(part) {
			return false
		}
	}
	return true
}

func (f cronField) takesPart(s string) bool {
	has := func(wildcard string) bool { return strings.Contains(f.wildcards, wildcard) }
	if s == "?" || s == "L" {
		return has(s)
	}
	if day, nth, ok := strings.Cut(s, "#"); ok { // 3#2: the second Tuesday
		n, err := strconv.Atoi(nth)
		return has("#") && f.value(day) >= 0 && err == nil && len(nth) == 1 && n >= 1 && n <= 5
	}
	if day, ok := strings.CutSuffix(s, "W"); ok && has("W") { // 3W: the weekday nearest to the third; LW: the last one
		return day == "L" || f.value(day) >= 0
	}
	if day, ok := strings.CutSuffix(s, "L"); ok && has("#") { // 5L: the last Thursday
		return f.value(day) >= 0
	}
	s, step, stepped := strings.Cut(s, "/")
	if stepped {
		n, err := strconv.Atoi(step)
		if err != nil || !digits(step) || n < 1 || n > f.most {
			return false
		}
	}
	if s == "*" {
		return true
	}
	first, last, ranged := strings.Cut(s, "-")
	if !ranged {
		return f.value(first) >= 0
	}
	a, b := f.value(first), f.value(last)
	return a >= 0 && b >= a
}

// value reads a number or a word of the field; -1 if it is neither.
func (f cronField) value(s string) int {
	if i := slices.Index(f.words, strings.ToUpper(s)); i >= 0 {
		return f.least + i
	}
	n, err := strconv.Atoi(s)
	if err != nil || !digits(s) || n < f.least || n > f.most {
		return -1
	}
	return n
}
