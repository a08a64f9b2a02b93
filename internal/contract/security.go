package contract

// TrailName is the account's CloudTrail trail.
func TrailName(platform string) string { return platform }

// SecurityLogGroup is a log group of an account's security stack.
func SecurityLogGroup(platform, name string) string { return "/" + platform + "/security/" + name }
