package monitoring

import "github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"

// Database is a PostgreSQL instance of RDS by its identifier, and its read replica's identifier if there is one.
type Database struct {
	Instance string
	Replica  string
}

// DatabaseThresholds are those of a database's alarms.
type DatabaseThresholds struct {
	CPUPercent, Connections, ReplicaLagSeconds int
	// FreePercent of StorageGiB, the storage that the database began with, must be free.
	FreePercent, StorageGiB int
}

// DatabaseAlarms is the table of a database.
func DatabaseAlarms(d Database, t DatabaseThresholds) []Alarm {
	table := []Alarm{
		{
			Name: "database-cpu", Tells: "The database is short of CPU, or doesn't report at all: it is down or stopped. Database Insights shows the statements.",
			Metric: d.metric("CPUUtilization", "Average"), Threshold: float64(t.CPUPercent), Periods: 3, Datapoints: 3,
			// A running instance reports this each minute, so silence means that it doesn't run. This one alarm says so; the
			// others keep quiet about it, and an outage is told once.
			Missing: awscloudwatch.TreatMissingData_BREACHING,
		},
		{
			Name: "database-storage", Tells: "The database's storage is nearly full, and RDS hasn't added any: it is at maxStorageGiB, or grew within the last six hours.",
			Metric:    d.metric("FreeStorageSpace", "Minimum"),
			Threshold: float64(t.StorageGiB<<30) * float64(t.FreePercent) / 100, Below: true, Periods: 3, Datapoints: 3,
			Missing: awscloudwatch.TreatMissingData_IGNORE, // storage doesn't come back by itself: the last answer stands
		},
		{
			Name: "database-connections", Tells: "The database's connections run out. Look for a leak, or for more tasks than it can serve.",
			Metric: d.metric("DatabaseConnections", "Maximum"), Threshold: float64(t.Connections), Periods: 2, Datapoints: 2,
			Missing: awscloudwatch.TreatMissingData_NOT_BREACHING, // an instance that is down has no connections
		},
	}
	if d.Replica != "" {
		table = append(table, Alarm{
			Name: "replica-lag", Tells: "The read replica is behind, or replication has stopped: readers see old data.",
			Metric:    metric("AWS/RDS", "ReplicaLag", "Maximum", 1, map[string]string{"DBInstanceIdentifier": d.Replica}),
			Threshold: float64(t.ReplicaLagSeconds), Periods: 10, Datapoints: 10,
			Missing: awscloudwatch.TreatMissingData_BREACHING, // a replica whose replication is broken reports no lag
		})
	}
	return table
}

func (d Database) metric(name, statistic string) awscloudwatch.Metric {
	return metric("AWS/RDS", name, statistic, 5, map[string]string{"DBInstanceIdentifier": d.Instance})
}
