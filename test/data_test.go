package test

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
	"testing"
)

// primary is a stack's database instance, beside its replica.
func primary(t *testing.T, stack template) resource {
	t.Helper()
	for _, instance := range stack.all("AWS::RDS::DBInstance") {
		if instance.at("SourceDBInstanceIdentifier") == nil {
			return instance
		}
	}
	t.Fatal("no database instance")
	return resource{}
}

func TestTheDatabaseFollowsItsStage(t *testing.T) {
	for stage, want := range map[string]struct {
		multiAZ, kept bool
		backupDays    int
		class         string
	}{
		"dev":   {false, false, 7, "db.t4g.micro"},
		"qa":    {false, false, 7, "db.t4g.micro"},
		"stage": {false, true, 14, "db.t4g.micro"},
		"prod":  {true, true, 35, "db.m7g.large"}, // 35 is RDS's maximum, at least 30 are asked for
	} {
		t.Run(stage, func(t *testing.T) {
			stack := shippedAssembly(t).stack(t, "slipway-"+stage+"-data")
			db := primary(t, stack)
			db.want(t, "MultiAZ", want.multiAZ)
			db.want(t, "BackupRetentionPeriod", want.backupDays)
			db.want(t, "DBInstanceClass", want.class)
			db.want(t, "DeletionProtection", want.kept)
			db.want(t, "DeleteAutomatedBackups", !want.kept)
			policy := "Delete"
			if want.kept {
				policy = "Snapshot" // a running instance would hold its subnets and groups
			}
			if db.DeletionPolicy != policy || db.UpdateReplacePolicy != policy {
				t.Errorf("deletion %s, replacement %s, want %s", db.DeletionPolicy, db.UpdateReplacePolicy, policy)
			}

			// The same everywhere.
			db.want(t, "StorageEncrypted", true)
			if stack.Resources[ref(db.at("KmsKeyId"))].Type != "AWS::KMS::Key" {
				t.Errorf("encrypted with %s, want a key of the stack", text(db.at("KmsKeyId")))
			}
			db.want(t, "PubliclyAccessible", false)
			db.want(t, "EnableIAMDatabaseAuthentication", true)
			db.want(t, "Port", "5432")
			db.want(t, "CopyTagsToSnapshot", true)
			db.want(t, "AllowMajorVersionUpgrade", false)

			group := stack.Resources[ref(db.at("DBSubnetGroupName"))]
			in := list(group.at("SubnetIds"))
			for _, subnet := range in {
				if !strings.Contains(fmt.Sprint(at(subnet, "Fn::ImportValue")), "privateSubnet") {
					t.Errorf("the database may be in %s, want private subnets", text(subnet))
				}
			}
			if len(in) != 3 {
				t.Errorf("%d subnets, want one in each zone", len(in))
			}
		})
	}
}

// TestTheEngineIsPinnedByItsMajorVersion: AWS withdraws minor versions, and a parameter group of another family is refused.
func TestTheEngineIsPinnedByItsMajorVersion(t *testing.T) {
	for major, c := range map[string]struct {
		synthesis func() (*assembly, error)
		stack     string
	}{
		"14": {varied, "slipway-dev-data"},
		"15": {varied, "slipway-qa-data"},
		"16": {varied, "slipway-stage-data"},
		"17": {shipped, "slipway-prod-data"},
		"18": {varied, "slipway-prod-data"},
	} {
		t.Run("PostgreSQL "+major, func(t *testing.T) {
			stack := must(t, c.synthesis).stack(t, c.stack)
			db := primary(t, stack)
			db.want(t, "Engine", "postgres")
			db.want(t, "EngineVersion", major)
			group := stack.one(t, "AWS::RDS::DBParameterGroup")
			group.want(t, "Family", "postgres"+major)
			group.want(t, "Parameters", map[string]any{
				"rds.force_ssl": "1", "log_connections": "1", "log_disconnections": "1", "log_lock_waits": "1",
				// Anything else would write the new password of each rotation into the log.
				"log_statement": "none", "log_min_duration_statement": "-1",
			})
			if ref(db.at("DBParameterGroupName")) != group.LogicalID {
				t.Errorf("the database uses %s, want its own parameters", text(db.at("DBParameterGroupName")))
			}
		})
	}
}

// TestOnlyTheApplicationAndTheRotationReachTheDatabase counts every rule of every stack of the stage.
func TestOnlyTheApplicationAndTheRotationReachTheDatabase(t *testing.T) {
	for _, stage := range stageNames {
		t.Run(stage, func(t *testing.T) {
			data := shippedAssembly(t).stack(t, "slipway-"+stage+"-data")
			groups := list(primary(t, data).at("VPCSecurityGroups"))
			if len(groups) != 1 {
				t.Fatalf("groups %s, want one", text(groups))
			}
			group := ref(groups[0])
			if inline := data.Resources[group].at("SecurityGroupIngress"); inline != nil {
				t.Errorf("the group lets in %s", text(inline))
			}
			var sources []string
			for _, rule := range data.all("AWS::EC2::SecurityGroupIngress") {
				if ref(rule.at("GroupId")) != group {
					continue
				}
				rule.want(t, "FromPort", 5432)
				rule.want(t, "ToPort", 5432)
				rule.want(t, "IpProtocol", "tcp")
				if rule.at("CidrIp") != nil || rule.at("CidrIpv6") != nil || rule.at("SourcePrefixListId") != nil {
					t.Errorf("%s lets in addresses, not a group", rule.LogicalID)
				}
				source := rule.at("SourceSecurityGroupId")
				switch imported := fmt.Sprint(at(source, "Fn::ImportValue")); {
				case strings.HasPrefix(imported, "slipway-"+stage+"-network:") && strings.Contains(imported, "AppSecurityGroup"):
					sources = append(sources, "application")
				case strings.Contains(fmt.Sprint(data.Resources[ref(source)].at("GroupDescription")), "Password rotation"):
					sources = append(sources, "rotation")
				default:
					sources = append(sources, text(source))
				}
			}
			sort.Strings(sources)
			if !slices.Equal(sources, []string{"application", "rotation"}) {
				t.Errorf("reachable from %v", sources)
			}
			for name, other := range shippedAssembly(t).templates {
				if name == "slipway-"+stage+"-data" {
					continue
				}
				for _, rule := range other.all("AWS::EC2::SecurityGroupIngress") {
					// The function that gives each QA environment its database is the one exception.
					if strings.HasPrefix(rule.LogicalID, "DatabasesEntry") && stage == "qa" {
						rule.want(t, "FromPort", 5432)
						rule.want(t, "ToPort", 5432)
						continue
					}
					if strings.Contains(text(rule.at("GroupId")), "slipway-"+stage+"-data") {
						t.Errorf("%s opens the database by %s", name, rule.LogicalID)
					}
				}
			}
			// "No egress" is a rule that matches nothing: CloudFormation would put EC2's allow-all in place of none.
			for _, rule := range list(data.Resources[group].at("SecurityGroupEgress")) {
				if at(rule, "CidrIp") != "255.255.255.255/32" {
					t.Errorf("the database reaches %s", text(rule))
				}
			}
		})
	}
}

func TestThePasswordIsGeneratedAndNeverWritten(t *testing.T) {
	for _, stage := range stageNames {
		t.Run(stage, func(t *testing.T) {
			stack := shippedAssembly(t).stack(t, "slipway-"+stage+"-data")
			secret := stack.one(t, "AWS::SecretsManager::Secret")
			secret.want(t, "SecretString", nil)
			secret.want(t, "GenerateSecretString.GenerateStringKey", "password")
			if length, _ := secret.at("GenerateSecretString.PasswordLength").(float64); length < 20 || length > 128 {
				t.Errorf("a password of %v characters; RDS takes up to 128", secret.at("GenerateSecretString.PasswordLength"))
			}
			for _, refused := range "/@\" " { // in a master password, by RDS
				if !strings.ContainsRune(fmt.Sprint(secret.at("GenerateSecretString.ExcludeCharacters")), refused) {
					t.Errorf("the password may hold %q, which RDS refuses", refused)
				}
			}
			var fields map[string]string
			if err := json.Unmarshal([]byte(fmt.Sprint(secret.at("GenerateSecretString.SecretStringTemplate"))), &fields); err != nil {
				t.Fatal(err)
			}
			if fields["password"] != "" || fields["username"] == "" || fields["username"] == "postgres" || fields["dbname"] == "" {
				t.Errorf("the secret begins with %v", fields)
			}
			if stack.Resources[ref(secret.at("KmsKeyId"))].Type != "AWS::KMS::Key" {
				t.Error("the secret has no key of its own stack")
			}
			password := text(primary(t, stack).at("MasterUserPassword"))
			if !strings.Contains(password, "{{resolve:secretsmanager:") || !strings.Contains(password, secret.LogicalID) {
				t.Errorf("master password %s, want a reference to the secret", password)
			}
			policy := text(stack.one(t, "AWS::SecretsManager::ResourcePolicy").at("ResourcePolicy.Statement"))
			for _, want := range []string{`"Bool":{"aws:SecureTransport":"false"}`, `"StringNotEquals":{"aws:PrincipalAccount":"111111111111"}`} {
				if !strings.Contains(policy, want) {
					t.Errorf("the secret's policy lacks %s", want)
				}
			}
		})
	}
}

// TestTheFirstRotationFindsItsWay: it starts as soon as the schedule exists. Without the rules it fails, and the secret
// stays in the middle of a rotation.
func TestTheFirstRotationFindsItsWay(t *testing.T) {
	for _, stage := range stageNames {
		t.Run(stage, func(t *testing.T) {
			stack := shippedAssembly(t).stack(t, "slipway-"+stage+"-data")
			schedule := stack.one(t, "AWS::SecretsManager::RotationSchedule")
			schedule.want(t, "RotationRules.ScheduleExpression", "rate(30 days)")
			schedule.want(t, "HostedRotationLambda.RotationType", "PostgreSQLSingleUser")
			attachment := stack.one(t, "AWS::SecretsManager::SecretTargetAttachment")
			if ref(schedule.at("SecretId")) != attachment.LogicalID {
				t.Errorf("rotates %s before it knows the database's address", text(schedule.at("SecretId")))
			}
			if ref(attachment.at("TargetId")) != primary(t, stack).LogicalID {
				t.Errorf("the secret is attached to %s", text(attachment.at("TargetId")))
			}
			group := ref(schedule.at("HostedRotationLambda.VpcSecurityGroupIds"))
			if stack.Resources[group].Type != "AWS::EC2::SecurityGroup" {
				t.Fatalf("the rotation has the group %s", text(schedule.at("HostedRotationLambda.VpcSecurityGroupIds")))
			}
			database := ref(list(primary(t, stack).at("VPCSecurityGroups"))[0])
			rules := 0
			for _, kind := range []string{"AWS::EC2::SecurityGroupIngress", "AWS::EC2::SecurityGroupEgress"} {
				for _, rule := range stack.all(kind) {
					if raw := text(rule.Properties); !strings.Contains(raw, group) || !strings.Contains(raw, database) {
						continue
					}
					rules++
					if !slices.Contains(list(schedule.DependsOn), any(rule.LogicalID)) {
						t.Errorf("the schedule does not wait for %s", rule.LogicalID)
					}
				}
			}
			if rules != 2 {
				t.Errorf("%d rules between the rotation and the database, want one each way", rules)
			}
			name := fmt.Sprint(schedule.at("HostedRotationLambda.RotationLambdaName"))
			log := slices.IndexFunc(stack.all("AWS::Logs::LogGroup"), func(r resource) bool { return r.at("LogGroupName") == "/aws/lambda/"+name })
			if log < 0 || !slices.Contains(list(schedule.DependsOn), any(stack.all("AWS::Logs::LogGroup")[log].LogicalID)) {
				t.Errorf("Lambda makes the log group of %s first, and it never expires", name)
			}
			if len(name) > 64 {
				t.Errorf("%s is longer than a Lambda's name may be", name)
			}
		})
	}
}

// TestTheDatabasesLogsAreDeclaredFirst: groups that RDS makes never expire and outlive the stack.
func TestTheDatabasesLogsAreDeclaredFirst(t *testing.T) {
	for _, name := range []string{"slipway-prod-data", "slipway-dev-data"} {
		stack := shippedAssembly(t).stack(t, name)
		for _, instance := range stack.all("AWS::RDS::DBInstance") {
			for _, export := range list(instance.at("EnableCloudwatchLogsExports")) {
				want := fmt.Sprintf("/aws/rds/instance/%v/%v", instance.at("DBInstanceIdentifier"), export)
				found := false
				for _, group := range stack.all("AWS::Logs::LogGroup") {
					found = found || group.at("LogGroupName") == want && slices.Contains(list(instance.DependsOn), any(group.LogicalID))
				}
				if !found {
					t.Errorf("%s: %s is not declared before %s", name, want, instance.LogicalID)
				}
			}
		}
	}
}

func TestAReplicaIsThereWhenConfigured(t *testing.T) {
	for name, c := range map[string]struct {
		synthesis func() (*assembly, error)
		stack     string
		replica   bool
		protected bool
	}{
		"production has one":        {shipped, "slipway-prod-data", true, true},
		"production can do without": {varied, "slipway-prod-data", false, false},
		"development has none":      {shipped, "slipway-dev-data", false, false},
		"development can have one":  {varied, "slipway-dev-data", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			stack := must(t, c.synthesis).stack(t, c.stack)
			source := primary(t, stack)
			found := false
			for _, replica := range stack.all("AWS::RDS::DBInstance") {
				if replica.at("SourceDBInstanceIdentifier") == nil {
					continue
				}
				found = true
				if !strings.Contains(text(replica.at("SourceDBInstanceIdentifier")), source.LogicalID) {
					t.Errorf("a replica of %s", text(replica.at("SourceDBInstanceIdentifier")))
				}
				// In one Region the replica has the source's encryption and key; CloudFormation refuses to be told.
				replica.want(t, "StorageEncrypted", nil)
				replica.want(t, "KmsKeyId", nil)
				source.want(t, "StorageEncrypted", true)
				replica.want(t, "PubliclyAccessible", false)
				replica.want(t, "EnableIAMDatabaseAuthentication", true)
				replica.want(t, "DeletionProtection", c.protected)
				for _, same := range []string{"VPCSecurityGroups", "DBSubnetGroupName", "DBParameterGroupName", "Port"} {
					replica.want(t, same, source.at(same))
				}
				for _, inherited := range []string{"MasterUsername", "MasterUserPassword", "DBName", "AllocatedStorage"} {
					replica.want(t, inherited, nil) // RDS takes them from the source only
				}
				if replica.DeletionPolicy != "Delete" {
					t.Errorf("%s: RDS takes no final snapshot of a replica", replica.DeletionPolicy)
				}
			}
			if found != c.replica {
				t.Errorf("replica there: %v, want %v", found, c.replica)
			}
		})
	}
}

// artifacts is a stack's artifacts bucket: the one that is logged.
func artifacts(t *testing.T, stack template) resource {
	t.Helper()
	for _, bucket := range stack.all("AWS::S3::Bucket") {
		if bucket.at("LoggingConfiguration") != nil {
			return bucket
		}
	}
	t.Fatal("no artifacts bucket")
	return resource{}
}

func TestTheArtifactsBucketIsVersionedEncryptedAndCheaperWithAge(t *testing.T) {
	for name, c := range map[string]struct {
		synthesis                       func() (*assembly, error)
		stack                           string
		infrequent, archive, noncurrent int
	}{
		"development":                  {shipped, "slipway-dev-data", 30, 90, 90},
		"production":                   {shipped, "slipway-prod-data", 30, 90, 90},
		"a stage with days of its own": {varied, "slipway-stage-data", 45, 120, 14},
	} {
		t.Run(name, func(t *testing.T) {
			stack := must(t, c.synthesis).stack(t, c.stack)
			bucket := artifacts(t, stack)
			bucket.want(t, "VersioningConfiguration.Status", "Enabled")
			bucket.want(t, "BucketEncryption.ServerSideEncryptionConfiguration.0.ServerSideEncryptionByDefault.SSEAlgorithm", "aws:kms")
			bucket.want(t, "BucketEncryption.ServerSideEncryptionConfiguration.0.BucketKeyEnabled", true)
			bucket.want(t, "OwnershipControls.Rules.0.ObjectOwnership", "BucketOwnerEnforced")
			key := ref(bucket.at("BucketEncryption.ServerSideEncryptionConfiguration.0.ServerSideEncryptionByDefault.KMSMasterKeyID"))
			if stack.Resources[key].Type != "AWS::KMS::Key" {
				t.Errorf("encrypted with %q, want a key of the stack", key)
			}

			rules := map[string]any{}
			for _, rule := range list(bucket.at("LifecycleConfiguration.Rules")) {
				if at(rule, "Status") != "Enabled" {
					t.Errorf("rule %s is off", text(at(rule, "Id")))
				}
				for _, effect := range []string{"Transitions", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload", "ExpirationInDays"} {
					if at(rule, effect) != nil {
						rules[effect] = at(rule, effect)
					}
				}
			}
			if got, want := text(rules["Transitions"]), fmt.Sprintf(`[{"StorageClass":"STANDARD_IA","TransitionInDays":%d},{"StorageClass":"GLACIER_IR","TransitionInDays":%d}]`, c.infrequent, c.archive); got != want {
				t.Errorf("moves %s, want %s", got, want)
			}
			if got := text(at(rules["NoncurrentVersionExpiration"], "NoncurrentDays")); got != fmt.Sprint(c.noncurrent) {
				t.Errorf("old versions stay for %s days, want %d", got, c.noncurrent)
			}
			if rules["AbortIncompleteMultipartUpload"] == nil {
				t.Error("unfinished uploads stay for ever, paid and unseen")
			}
			if rules["ExpirationInDays"] != nil {
				t.Error("current objects expire")
			}

			// Uploads under another key, or none, are refused.
			refused := map[string]any{}
			for _, policy := range stack.all("AWS::S3::BucketPolicy") {
				if ref(policy.at("Bucket")) != bucket.LogicalID {
					continue
				}
				for _, statement := range list(policy.at("PolicyDocument.Statement")) {
					if at(statement, "Effect") == "Deny" && at(statement, "Action") == "s3:PutObject" {
						for header, value := range at(statement, "Condition.StringNotEquals").(map[string]any) {
							refused[header] = value
						}
					}
				}
			}
			if refused["s3:x-amz-server-side-encryption"] != "aws:kms" || ref(refused["s3:x-amz-server-side-encryption-aws-kms-key-id"]) != key {
				t.Errorf("uploads are refused unless %s", text(refused))
			}
		})
	}
}

func TestReplicationIsAsNarrowAsItsTwoBuckets(t *testing.T) {
	for _, stage := range stageNames {
		if artifacts(t, shippedAssembly(t).stack(t, "slipway-"+stage+"-data")).at("ReplicationConfiguration") != nil {
			t.Errorf("%s replicates without being asked", stage)
		}
	}
	const bucketCopy, keyCopy = "arn:aws:s3:::artifacts-copy", "arn:aws:kms:eu-central-1:111111111111:key/01234567-89ab-cdef-0123-456789abcdef"
	stack := must(t, varied).stack(t, "slipway-dev-data")
	bucket := artifacts(t, stack)
	bucket.want(t, "ReplicationConfiguration.Rules.0.Status", "Enabled")
	bucket.want(t, "ReplicationConfiguration.Rules.0.Destination.Bucket", bucketCopy)
	bucket.want(t, "ReplicationConfiguration.Rules.0.Destination.EncryptionConfiguration.ReplicaKmsKeyID", keyCopy)
	bucket.want(t, "ReplicationConfiguration.Rules.0.SourceSelectionCriteria.SseKmsEncryptedObjects.Status", "Enabled") // otherwise nothing here replicates
	if n := len(list(bucket.at("ReplicationConfiguration.Rules"))); n != 1 {
		t.Errorf("%d rules", n)
	}

	role := ref(bucket.at("ReplicationConfiguration.Role"))
	stack.Resources[role].want(t, "AssumeRolePolicyDocument.Statement.0.Principal.Service", "s3.amazonaws.com")
	stack.Resources[role].want(t, "AssumeRolePolicyDocument.Statement.0.Condition.StringEquals.aws:SourceAccount", "111111111111")
	stack.Resources[role].want(t, "ManagedPolicyArns", nil)
	key := ref(bucket.at("BucketEncryption.ServerSideEncryptionConfiguration.0.ServerSideEncryptionByDefault.KMSMasterKeyID"))
	source := fmt.Sprintf(`{"Fn::GetAtt":[%q,"Arn"]}`, bucket.LogicalID)
	objects := fmt.Sprintf(`{"Fn::Join":["",[%s,"/*"]]}`, source)
	want := map[string]string{ // what AWS lists for a replication role, with KMS
		"s3:GetReplicationConfiguration":    source,
		"s3:ListBucket":                     source,
		"s3:GetObjectVersionForReplication": objects,
		"s3:GetObjectVersionAcl":            objects,
		"s3:GetObjectVersionTagging":        objects,
		"s3:ReplicateObject":                `"` + bucketCopy + `/*"`,
		"s3:ReplicateDelete":                `"` + bucketCopy + `/*"`,
		"s3:ReplicateTags":                  `"` + bucketCopy + `/*"`,
		"kms:Decrypt":                       fmt.Sprintf(`{"Fn::GetAtt":[%q,"Arn"]}`, key),
		"kms:Encrypt":                       `"` + keyCopy + `"`,
		"kms:GenerateDataKey":               `"` + keyCopy + `"`,
	}
	got := policyActions(stack, role)
	for action, resource := range want {
		if got[action] != resource {
			t.Errorf("%s on %s, want %s", action, got[action], resource)
		}
	}
	for action := range got {
		if want[action] == "" {
			t.Errorf("may also %s", action)
		}
	}
}

// TestOnlyTemporaryStagesEmptyTheirBuckets: the function that empties them must not exist where data is kept.
func TestOnlyTemporaryStagesEmptyTheirBuckets(t *testing.T) {
	for name, stack := range shippedAssembly(t).templates {
		emptied := map[string]bool{}
		for _, emptier := range stack.all("Custom::S3AutoDeleteObjects") {
			emptied[ref(emptier.at("BucketName"))] = true
		}
		for _, bucket := range stack.all("AWS::S3::Bucket") {
			if kept := bucket.DeletionPolicy == "Retain"; emptied[bucket.LogicalID] == kept {
				t.Errorf("%s: bucket %s: kept %v, emptied %v", name, bucket.LogicalID, kept, !kept)
			}
			if bucket.DeletionPolicy != bucket.UpdateReplacePolicy {
				t.Errorf("%s: bucket %s: %s when deleted, %s when replaced", name, bucket.LogicalID, bucket.DeletionPolicy, bucket.UpdateReplacePolicy)
			}
		}
		if keeps := strings.HasPrefix(name, "slipway-stage-") || strings.HasPrefix(name, "slipway-prod-"); keeps && len(emptied) > 0 {
			t.Errorf("%s empties buckets when it is deleted", name)
		}
	}
}
