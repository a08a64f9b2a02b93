package main

import "slipway/local/harness"

// scenario is a finding and what it leads to.
type scenario struct {
	title   string
	shape   string // of the corpus
	changes map[string]any
	entries int // actions that are done
}

// here changes a finding of the corpus to this account and to a type and an ID of its own.
func here(kind, id string, more map[string]any) map[string]any {
	changes := map[string]any{
		"account": harness.AccountID, "detail.accountId": harness.AccountID, "detail.type": kind, "detail.id": id, "detail.severity": 8.9,
	}
	for path, value := range more {
		changes[path] = value
	}
	return changes
}

// scenarios has each kind of finding that leads to an action.
func (d *drill) scenarios() []scenario {
	instance := map[string]any{"detail.resource.instanceDetails.instanceId": d.site.instance, "detail.resource.instanceDetails.tags": []any{}}
	attacked := map[string]any{"detail.service.action.networkConnectionAction.remoteIpDetails.ipAddressV4": "198.51.100.7"}
	for path, value := range instance {
		attacked[path] = value
	}
	task := map[string]any{
		"detail.resource.ecsClusterDetails.arn":                    d.site.cluster,
		"detail.resource.ecsClusterDetails.taskDetails.arn":        d.site.task,
		"detail.resource.ecsClusterDetails.taskDetails.group":      "service:" + service,
		"detail.resource.ecsClusterDetails.taskDetails.startedBy":  "ecs-svc/1",
		"detail.resource.ecsClusterDetails.taskDetails.containers": []any{},
	}
	return []scenario{
		{"An instance talks to a command and control server", "instance-attacks", here("Backdoor:EC2/C&CActivity.B", "drill-1", instance), 1},
		{"An instance holds malware", "instance-malware", here("Execution:EC2/MaliciousFile", "drill-2", instance), 1},
		{"Passwords are tried on an instance", "instance-attacked", here("UnauthorizedAccess:EC2/SSHBruteForce", "drill-3", attacked), 2},
		{"A user's access key is used from a malicious address", "user-key", here("UnauthorizedAccess:IAMUser/MaliciousIPCaller", "drill-4", map[string]any{
			"detail.resource.accessKeyDetails.userName": user, "detail.resource.accessKeyDetails.accessKeyId": d.site.key,
		}), 3},
		{"A role's credentials are used outside AWS", "role-session", here("UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS", "drill-5", map[string]any{
			"detail.resource.accessKeyDetails.userName": role,
		}), 2},
		{"A bucket was opened to the world", "bucket", here("Policy:S3/BucketAnonymousAccessGranted", "drill-6", map[string]any{
			"detail.resource.s3BucketDetails": []any{map[string]any{"name": bucketName, "arn": "arn:aws:s3:::" + bucketName}}, "detail.resource.accessKeyDetails.userName": role,
		}), 3},
		{"Someone at a malicious address logged in to a database", "database", here("CredentialAccess:RDS/MaliciousIPCaller.SuccessfulLogin", "drill-7", nil), 1},
		{"A task opened a reverse shell", "task", here("Execution:Runtime/ReverseShell", "drill-8", task), 1},
	}
}
