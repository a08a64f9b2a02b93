package config

import (
	"errors"
	"strings"
	"testing"
)

// Each case changes base and wants exactly these faults, each given by its beginning.
func TestEachFaultIsReportedWithItsLine(t *testing.T) {
	for name, c := range map[string]struct {
		edits []string
		want  []string
	}{
		// Structure.
		"an unknown key names the right one":          {[]string{"backupDays: 35", "backupdays: 35"}, []string{"43: stages[2].database.backupdays: got an unknown key, expected backupDays (or another of: "}},
		"an unknown key lists the keys":               {[]string{"grace: 2h", "colour: red"}, []string{"56: qa.colour: got an unknown key, expected one of allowedCidrs, defaultTtl, dryRun, grace, "}},
		"every unknown key is reported":               {[]string{"logDays: 30", "a: 1\n    b: 2", "spot: false", "c: 3"}, []string{"19: stages[0].a: got an unknown key", "20: stages[0].b: got an unknown key", "59: qa.c: got an unknown key"}},
		"a duplicate key names the first":             {[]string{"domain: example.com", "domain: example.com\nregion: eu-west-2"}, []string{"5: region: got the key a second time, expected it once, as in line 2"}},
		"a duplicate account":                         {[]string{`workload: "012345678901"`, `workload: "012345678901"` + "\n  shared: \"1\""}, []string{"8: accounts.shared: got the key a second time"}},
		"a merge key":                                 {[]string{"  stage: qa", "  <<: {a: b}\n  stage: qa"}, []string{`52: qa."<<": got a merge key, expected the keys written out`}},
		"an alias of nothing":                         {[]string{"domain: example.com", "domain: *x"}, []string{"4: domain: got the alias *x, expected an anchor &x above it"}},
		"a YAML tag":                                  {[]string{"stage: qa", "stage: !!str qa"}, []string{"52: qa.stage: got the YAML tag \"!!str\", expected a value without a tag"}},
		"a list instead of a mapping":                 {[]string{"  account: shared\n  repository: simple-flask-app", "  - account"}, []string{"8: registry: got a list, expected a mapping with the keys account, repository, keepImages, untaggedDays"}},
		"a mapping instead of a list":                 {[]string{"[team@example.com]", "{a: b}"}, []string{"13: notifications: got a mapping, expected a list"}},
		"a word instead of a list":                    {[]string{"[team@example.com]", "team@example.com"}, []string{`13: notifications: got "team@example.com", expected a list`}},
		"a word instead of a mapping":                 {[]string{"dns:\n  account: shared", "dns: shared"}, []string{`11: dns: got "shared", expected a mapping with the keys account`}},
		"an empty element":                            {[]string{"[team@example.com]", "[team@example.com, null]"}, []string{"13: notifications[1]: got nothing, expected a value"}},
		"a word instead of a number":                  {[]string{"storageGiB: 100", "storageGiB: big"}, []string{`41: stages[2].database.storageGiB: got "big", expected a whole number`}},
		"a number in quotes":                          {[]string{"storageGiB: 100", `storageGiB: "100"`}, []string{`41: stages[2].database.storageGiB: got "100", expected a whole number in plain digits, without quotes`}},
		"an octal number":                             {[]string{"storageGiB: 100", "storageGiB: 0144"}, []string{"41: stages[2].database.storageGiB: got 0144, expected a whole number"}},
		"a hexadecimal number":                        {[]string{"storageGiB: 100", "storageGiB: 0x64"}, []string{"41: stages[2].database.storageGiB: got 0x64, expected a whole number"}},
		"a fraction":                                  {[]string{"cpu: 1024", "cpu: 1024.5"}, []string{"46: stages[2].service.cpu: got 1024.5, expected a whole number"}},
		"a number beyond all bounds":                  {[]string{"storageGiB: 100", "storageGiB: 99999999999999999999"}, []string{`41: stages[2].database.storageGiB: got `}},
		"yes instead of true":                         {[]string{"production: true", "production: yes"}, []string{`26: stages[2].production: got "yes", expected true or false`}},
		"a number instead of a string":                {[]string{`engineMajor: "17"`, "engineMajor: 17"}, []string{`39: stages[2].database.engineMajor: got 17 without quotes, expected a string in quotes: "17"`}},
		"a duration without a unit":                   {[]string{"grace: 2h", "grace: 2"}, []string{"56: qa.grace: got 2, expected a duration in hours and minutes, such as 48h"}},
		"a duration in days":                          {[]string{"defaultTtl: 48h", "defaultTtl: 2d"}, []string{`53: qa.defaultTtl: got "2d", expected a duration in hours and minutes`}},
		"a network without a length":                  {[]string{"cidr: 10.1.0.0/16", "cidr: 10.1.0.0"}, []string{`18: stages[0].network.cidr: got "10.1.0.0", expected an IPv4 network`}},
		"an IPv6 network":                             {[]string{"cidr: 10.1.0.0/16", "cidr: fd00::/16"}, []string{`18: stages[0].network.cidr: got "fd00::/16", expected an IPv4 network`}},
		"a number instead of a network":               {[]string{"cidr: 10.1.0.0/16", "cidr: 10.1"}, []string{"18: stages[0].network.cidr: got 10.1, expected an IPv4 network"}},
		"a subnet that is no network":                 {[]string{"[10.0.48.0/20, 10.0.64.0/20, 10.0.80.0/20]", "[10.0.48.0/20, x, [y]]"}, []string{`30: stages[2].network.publicSubnets[1]: got "x", expected an IPv4 network`, "30: stages[2].network.publicSubnets[2]: got a list, expected an IPv4 network"}},
		"an empty string":                             {[]string{"grace: 2h", `grace: ""`}, []string{"56: qa.grace: got nothing, expected a duration"}},
		"a block of text instead of a list":           {[]string{"[team@example.com]", "|\n  team@example.com"}, []string{"13: notifications: got a block of text, expected a list"}},
		"an unknown key of many letters":              {[]string{"grace: 2h", strings.Repeat("x", 70) + ": 1"}, []string{`56: qa."` + strings.Repeat("x", 70) + `": got an unknown key, expected one of allowedCidrs`}},
		"an unknown key with spaces":                  {[]string{"grace: 2h", "a b: 1"}, []string{`56: qa."a b": got an unknown key, expected one of allowedCidrs`}},
		"an unquoted account ID of octal digits":      {[]string{`"012345678901"`, "012345670123"}, []string{`7: accounts.workload: got 012345670123 without quotes, expected a string in quotes: "012345670123"; without them YAML may read digits that begin with 0 as an octal number`}},
		"an unquoted account ID with an 8":            {[]string{`"012345678901"`, "012345678901"}, []string{`7: accounts.workload: got 012345678901 without quotes, expected a string in quotes: "012345678901"; without them YAML may read`}},
		"an unquoted account ID without a zero":       {[]string{`"111111111111"`, "111111111111"}, []string{`6: accounts.shared: got 111111111111 without quotes, expected a string in quotes: "111111111111"`}},
		"a missing section has the file's first line": {[]string{"dns:\n  account: shared\n", ""}, []string{"1: dns.account: got nothing, expected shared or workload, from accounts"}},
		"a missing key has its section's line":        {[]string{"    network:\n      cidr: 10.2.0.0/16\n", ""}, []string{"20: stages[1].network.cidr: got nothing, expected an IPv4 network"}},
		"null counts as left out":                     {[]string{"domain: example.com", "domain:"}, []string{"4: domain: got nothing, expected a DNS name"}},

		// How a new version reaches the users.
		"production on one task":                         {[]string{"production: true", "production: true\n    scaling: {schedules: [{schedule: \"cron(0 20 * * ? *)\", minTasks: 1}]}", "minTasks: 2", "minTasks: 1"}, []string{"27: stages[2].scaling.schedules[0].minTasks: got 1, expected 2 to", "49: stages[2].service.minTasks: got 1, expected 2 to 5000"}},
		"an unknown strategy":                            {[]string{"logDays: 30", "deployment: {strategy: recreate}"}, []string{`19: stages[0].deployment.strategy: got "recreate", expected codedeploy, ecs or rolling`}},
		"blue/green in the QA stage":                     {[]string{"cidr: 10.2.0.0/16", "cidr: 10.2.0.0/16\n    deployment: {strategy: ecs}"}, []string{`24: stages[1].deployment.strategy: got "ecs", expected rolling: the QA stage's environments`}},
		"blue/green behind a NAT instance":               {[]string{"logDays: 30", "deployment: {strategy: codedeploy}", "cidr: 10.1.0.0/16", "cidr: 10.1.0.0/16\n      nat: instance"}, []string{`20: stages[0].deployment.strategy: got "codedeploy", expected rolling, or network.nat one or per-zone`}},
		"an unknown shift":                               {[]string{"logDays: 30", "deployment: {shift: half}"}, []string{`19: stages[0].deployment.shift: got "half", expected all-at-once, canary or linear`}},
		"a linear step that ECS doesn't take":            {[]string{"logDays: 30", "deployment: {shift: linear, percent: 2}"}, []string{"19: stages[0].deployment.percent: got 2, expected 3 to 99"}},
		"a canary of everything":                         {[]string{"logDays: 30", "deployment: {percent: 100}"}, []string{"19: stages[0].deployment.percent: got 100, expected 1 to 99"}},
		"steps and bake that pass CloudFormation's hour": {[]string{"logDays: 30", "deployment: {shift: linear, intervalMinutes: 3}"}, []string{"19: stages[0].deployment.bakeMinutes: got 10 (the default), expected at most 30 with the 27 minutes"}},
		"a hook without requests":                        {[]string{"logDays: 30", "deployment: {hook: {requests: []}}"}, []string{"19: stages[0].deployment.hook.requests: got 0 requests, expected 1 to 50"}},
		"a smoke request to another host":                {[]string{"logDays: 30", `deployment: {hook: {requests: [{path: "//evil.example"}]}}`}, []string{`19: stages[0].deployment.hook.requests[0].path: got "//evil.example", expected a path such as /ready`}},
		"a smoke request with a broken escape":           {[]string{"logDays: 30", `deployment: {hook: {requests: [{path: "/%zz"}]}}`}, []string{"19: stages[0].deployment.hook.requests[0].path: got"}},
		"a smoke request whose pattern is none":          {[]string{"logDays: 30", `deployment: {hook: {requests: [{path: /, status: 99, maxMillis: 0, matches: "("}]}}`}, []string{`19: stages[0].deployment.hook.requests[0].matches: got "(", expected a regular expression`, "19: stages[0].deployment.hook.requests[0].maxMillis: got 0, expected 1 to 10000", "19: stages[0].deployment.hook.requests[0].status: got 99, expected 200 to 599"}},
		"samples and share out of bounds":                {[]string{"logDays: 30", "deployment: {hook: {samples: 1001, maxErrorPercent: -1}}"}, []string{"19: stages[0].deployment.hook.maxErrorPercent: got -1, expected 0 to 100", "19: stages[0].deployment.hook.samples: got 1001, expected 0 to 1000"}},

		// Platform, Region and accounts.
		"a platform in upper case":                {[]string{"platform: slipway", "platform: Slipway"}, []string{`1: platform: got "Slipway", expected 2 to 16 of a-z`}},
		"a platform of 17 characters":             {[]string{"platform: slipway", "platform: abcdefghijklmnopq"}, []string{"1: platform: got"}},
		"a platform with a hyphen at the end":     {[]string{"platform: slipway", "platform: slip-"}, []string{"1: platform: got"}},
		"a platform that begins with aws":         {[]string{"platform: slipway", "platform: awsome"}, []string{`1: platform: got "awsome", expected a name that doesn't begin with aws or ssm`}},
		"a platform that looks like environments": {[]string{"platform: slipway", "platform: a-qa-env"}, []string{`1: platform: got "a-qa-env", expected a name without -qa-env`}},
		"a Region that doesn't exist":             {[]string{"region: eu-west-1", "region: eu-west-9"}, []string{`2: region: got "eu-west-9", expected an AWS Region: af-south-1, `}},
		"a Region of another partition":           {[]string{"region: eu-west-1", "region: cn-north-1"}, []string{`2: region: got "cn-north-1", expected an AWS Region`}},
		"a Region with two zones":                 {[]string{"region: eu-west-1", "region: us-west-1", "zones: [eu-west-1a, eu-west-1b, eu-west-1c]", ""}, []string{`2: region: got "us-west-1", expected a Region with three Availability Zones`}},
		"two zones":                               {[]string{"[eu-west-1a, eu-west-1b, eu-west-1c]", "[eu-west-1a, eu-west-1b]"}, []string{"3: zones: got 2 zones, expected three"}},
		"the same zone twice":                     {[]string{"eu-west-1c]", "eu-west-1a]"}, []string{`3: zones[2]: got "eu-west-1a", expected each zone once`}},
		"a zone of another Region":                {[]string{"eu-west-1c]", "eu-west-2c]"}, []string{`3: zones[2]: got "eu-west-2c", expected an Availability Zone of eu-west-1`}},
		"a local zone":                            {[]string{"eu-west-1c]", "eu-west-1-lhr-1a]"}, []string{"3: zones[2]: got"}},
		"a domain of one part":                    {[]string{"domain: example.com", "domain: localhost"}, []string{`4: domain: got "localhost", expected a DNS name`}},
		"a domain with a dot at the end":          {[]string{"domain: example.com", "domain: example.com."}, []string{"4: domain: got"}},
		"a domain in upper case":                  {[]string{"domain: example.com", "domain: Example.com"}, []string{"4: domain: got"}},
		"an address instead of a domain":          {[]string{"domain: example.com", "domain: 10.0.0.1"}, []string{"4: domain: got"}},
		"a domain too long for certificates":      {[]string{"domain: example.com", "domain: " + strings.Repeat("a", 48) + ".com"}, []string{"4: domain: got"}},
		"no accounts":                             {[]string{"accounts:\n  shared: \"111111111111\"\n  workload: \"012345678901\"\n", "accounts: {}\n"}, []string{"5: accounts: got nothing"}},
		"an account ID of 11 digits":              {[]string{`"111111111111"`, `"11111111111"`}, []string{`6: accounts.shared: got "11111111111", expected an AWS account ID: 12 digits`}},
		"an account that isn't there":             {[]string{"dns:\n  account: shared", "dns:\n  account: share"}, []string{`12: dns.account: got "share", expected shared or workload, from accounts`}},
		"a stage's account that isn't there":      {[]string{"name: qa\n    account: shared", "name: qa\n    account: x"}, []string{`21: stages[1].account: got "x", expected shared or workload`}},
		"a repository in upper case":              {[]string{"repository: simple-flask-app", "repository: Simple"}, []string{`10: registry.repository: got "Simple"`}},
		"no images kept":                          {[]string{"repository: simple-flask-app", "keepImages: 0"}, []string{"10: registry.keepImages: got 0, expected 1 to 10000"}},
		"untagged images for no day":              {[]string{"repository: simple-flask-app", "untaggedDays: 0"}, []string{"10: registry.untaggedDays: got 0"}},
		"an e-mail address without a host":        {[]string{"[team@example.com]", "[team]"}, []string{`13: notifications[0]: got "team", expected an e-mail address`}},
		"an e-mail address with a name":           {[]string{"[team@example.com]", "['Team <team@example.com>']"}, []string{"13: notifications[0]: got"}},
		"an e-mail address twice":                 {[]string{"[team@example.com]", "\n  - team@example.com\n  - team@example.com"}, []string{`15: notifications[1]: got "team@example.com", expected each address once`}},

		// Stages.
		"no stages":                         {[]string{base[strings.Index(base, "stages:"):strings.Index(base, "\nqa:")], "stages: []"}, []string{"14: stages: got nothing"}},
		"two stages of one name":            {[]string{"name: prod", "name: dev"}, []string{`24: stages[2].name: got "dev", expected a name of its own; stages[0] in line 15 has this one`}},
		"a stage's name with a hyphen":      {[]string{"name: dev", "name: dev-1"}, []string{`15: stages[0].name: got "dev-1", expected 2 to 8`}},
		"a stage's name of 9 characters":    {[]string{"name: dev", "name: developer"}, []string{`15: stages[0].name: got "developer"`}},
		"a stage called app":                {[]string{"name: dev", "name: app"}, []string{`15: stages[0].name: got "app", expected another name`}},
		"two production stages":             {[]string{"logDays: 30", "production: true"}, []string{"26: stages[2].production: got true, expected one production stage at most; stages[0] in line 15 is one"}},
		"a retention that nobody knows":     {[]string{"logDays: 30", "logDays: 31"}, []string{"19: stages[0].logDays: got 31, expected a retention that CloudWatch Logs knows: 1, 3, 5, 7, 14, 30, "}},
		"logs for no day":                   {[]string{"logDays: 30", "logDays: 0"}, []string{"19: stages[0].logDays: got 0"}},
		"CPU units that Fargate hasn't":     {[]string{"cpu: 1024", "cpu: 1000"}, []string{"46: stages[2].service.cpu: got 1000, expected CPU units that Fargate offers: 256, 512, 1024, 2048, 4096, 8192 or 16384"}},
		"memory that doesn't fit the CPU":   {[]string{"memoryMiB: 2048", "memoryMiB: 1024"}, []string{"47: stages[2].service.memoryMiB: got 1024, expected memory that Fargate offers with 1024 CPU units: 2048 to 8192 in steps of 1024 MiB"}},
		"memory between two steps":          {[]string{"cpu: 1024", "cpu: 8192", "memoryMiB: 2048", "memoryMiB: 18432"}, []string{"47: stages[2].service.memoryMiB: got 18432, expected memory that Fargate offers with 8192 CPU units: 16384 to 61440 in steps of 4096 MiB"}},
		"default memory that doesn't fit":   {[]string{"memoryMiB: 2048\n      ", ""}, []string{"45: stages[2].service.memoryMiB: got 1024 (the default), expected"}},
		"no task":                           {[]string{"minTasks: 2", "minTasks: 0"}, []string{"48: stages[2].service.minTasks: got 0, expected 2 to 5000"}},
		"fewer tasks at most than at least": {[]string{"maxTasks: 8", "maxTasks: 1"}, []string{"49: stages[2].service.maxTasks: got 1, expected 2 to 5000: at least minTasks"}},
		"a target above 90 %":               {[]string{"targetCpuPercent: 60", "targetCpuPercent: 100"}, []string{"50: stages[2].service.targetCpuPercent: got 100, expected 10 to 90"}},

		// Data.
		"a PostgreSQL that is too old":       {[]string{`engineMajor: "17"`, `engineMajor: "13"`}, []string{`39: stages[2].database.engineMajor: got "13", expected a PostgreSQL major version in quotes: 14, 15, 16, 17 or 18`}},
		"a PostgreSQL minor version":         {[]string{`engineMajor: "17"`, `engineMajor: "17.4"`}, []string{`39: stages[2].database.engineMajor: got "17.4"`}},
		"an instance class with its prefix":  {[]string{"instanceClass: m7g.large", "instanceClass: db.m7g.large"}, []string{`40: stages[2].database.instanceClass: got "db.m7g.large", expected the class without its prefix db.`}},
		"an instance class of no size":       {[]string{"instanceClass: m7g.large", "instanceClass: m7g"}, []string{`40: stages[2].database.instanceClass: got "m7g", expected an RDS instance class`}},
		"too little storage":                 {[]string{"storageGiB: 100", "storageGiB: 10"}, []string{"41: stages[2].database.storageGiB: got 10, expected 20 to 65536"}},
		"a storage limit below a tenth more": {[]string{"maxStorageGiB: 500", "maxStorageGiB: 109"}, []string{"42: stages[2].database.maxStorageGiB: got 109, expected 110 to 65536: at least a tenth more than storageGiB, 100"}},
		"36 days of backups":                 {[]string{"backupDays: 35", "backupDays: 36"}, []string{"43: stages[2].database.backupDays: got 36, expected 30 to 35 in production; 35 is the most that RDS keeps"}},
		"29 days of backups in production":   {[]string{"backupDays: 35", "backupDays: 29"}, []string{"43: stages[2].database.backupDays: got 29, expected 30 to 35 in production"}},
		"no backups":                         {[]string{"logDays: 30", "database: {backupDays: 0}"}, []string{"19: stages[0].database.backupDays: got 0, expected 1 to 35;"}},
		"rotation after 1001 days":           {[]string{"rotationDays: 30", "rotationDays: 1001"}, []string{"44: stages[2].database.rotationDays: got 1001, expected 1 to 1000"}},
		"Standard-IA after 29 days":          {[]string{"infrequentAfterDays: 30", "infrequentAfterDays: 29"}, []string{"34: stages[2].artifacts.infrequentAfterDays: got 29, expected 30 to 36500: S3 moves nothing younger"}},
		"archive 29 days later":              {[]string{"archiveAfterDays: 90", "archiveAfterDays: 59"}, []string{"35: stages[2].artifacts.archiveAfterDays: got 59, expected 60 to "}},
		"old versions for no day":            {[]string{"infrequentAfterDays: 30", "noncurrentDays: 0"}, []string{"34: stages[2].artifacts.noncurrentDays: got 0"}},
		"a replica bucket without a key":     {[]string{"replicaKeyArn: arn:aws:kms:eu-central-1:111111111111:key/01234567-89ab-cdef-0123-456789abcdef", "noncurrentDays: 90"}, []string{"33: stages[2].artifacts.replicaKeyArn: got nothing, expected the ARN of a KMS key"}},
		"a replica key without a bucket":     {[]string{"replicaBucketArn: arn:aws:s3:::slipway-copy", "noncurrentDays: 90"}, []string{"33: stages[2].artifacts.replicaBucketArn: got nothing, expected the ARN of a bucket"}},
		"a bucket's name instead of its ARN": {[]string{"arn:aws:s3:::slipway-copy", "slipway-copy"}, []string{`36: stages[2].artifacts.replicaBucketArn: got "slipway-copy", expected the ARN of a bucket`}},
		"a key's alias":                      {[]string{"key/01234567-89ab-cdef-0123-456789abcdef", "alias/copy"}, []string{"37: stages[2].artifacts.replicaKeyArn: got \"arn:aws:kms:eu-central-1:111111111111:alias/copy\", expected the ARN of a KMS key (no alias)"}},
		"a replica in the same Region":       {[]string{"kms:eu-central-1", "kms:eu-west-1"}, []string{"37: stages[2].artifacts.replicaKeyArn: got"}},
		"a replica in no Region":             {[]string{"kms:eu-central-1", "kms:eu-central-9"}, []string{"37: stages[2].artifacts.replicaKeyArn: got"}},

		// Networks.
		"a VPC that isn't on its boundary":    {[]string{"cidr: 10.1.0.0/16", "cidr: 10.1.2.0/16"}, []string{"18: stages[0].network.cidr: got 10.1.2.0/16, expected the boundary of a /16 network: 10.1.2.0 lies in 10.1.0.0/16"}},
		"a VPC of a /15":                      {[]string{"cidr: 10.1.0.0/16", "cidr: 10.4.0.0/15"}, []string{"18: stages[0].network.cidr: got 10.4.0.0/15, expected a network from /16 to /24"}},
		"a VPC of a /25":                      {[]string{"cidr: 10.1.0.0/16", "cidr: 10.1.0.0/25"}, []string{"18: stages[0].network.cidr: got 10.1.0.0/25, expected a network from /16 to /24"}},
		"a public VPC":                        {[]string{"cidr: 10.1.0.0/16", "cidr: 172.32.0.0/16"}, []string{"18: stages[0].network.cidr: got 172.32.0.0/16, expected a network in a private range"}},
		"a VPC inside another":                {[]string{"cidr: 10.2.0.0/16", "cidr: 10.1.128.0/20"}, []string{"23: stages[1].network.cidr: got 10.1.128.0/20, expected a network that doesn't overlap 10.1.0.0/16 of stages[0].network.cidr in line 18"}},
		"subnets that aren't on the boundary": {[]string{"[10.0.0.0/20, 10.0.16.0/20, 10.0.32.0/20]", "[10.0.1.0/20, 10.0.2.0/20, 10.0.3.0/20]"}, []string{"29: stages[2].network.privateSubnets[0]: got 10.0.1.0/20, expected the boundary of a /20 network: 10.0.1.0 lies in 10.0.0.0/20", "29: stages[2].network.privateSubnets[1]: got 10.0.2.0/20, expected the boundary of a /20 network: 10.0.2.0 lies in 10.0.0.0/20", "29: stages[2].network.privateSubnets[2]: got 10.0.3.0/20"}},
		"a subnet outside the VPC":            {[]string{"10.0.80.0/20]", "10.9.80.0/20]"}, []string{"30: stages[2].network.publicSubnets[2]: got 10.9.80.0/20, expected a network inside the VPC's 10.0.0.0/16"}},
		"two subnets that overlap":            {[]string{"10.0.80.0/20]", "10.0.72.0/21]"}, []string{"30: stages[2].network.publicSubnets[2]: got 10.0.72.0/21, expected a network that doesn't overlap 10.0.64.0/20 of stages[2].network.publicSubnets[1] in line 30"}},
		"a public subnet in a private one":    {[]string{"10.0.80.0/20]", "10.0.16.0/24]"}, []string{"30: stages[2].network.publicSubnets[2]: got 10.0.16.0/24, expected a network that doesn't overlap 10.0.16.0/20 of stages[2].network.privateSubnets[1] in line 29"}},
		"two subnets":                         {[]string{", 10.0.80.0/20]", "]"}, []string{"30: stages[2].network.publicSubnets: got 2 subnets, expected three, one for each zone"}},
		"a public subnet of a /28":            {[]string{"10.0.80.0/20]", "10.0.80.0/28]"}, []string{"30: stages[2].network.publicSubnets[2]: got 10.0.80.0/28, expected a network from /16 to /27"}},
		"no room for the other subnets":       {[]string{"cidr: 10.1.0.0/16", "cidr: 10.1.0.0/16\n      privateSubnets: [10.1.0.0/17, 10.1.128.0/18, 10.1.192.0/18]"}, []string{"17: stages[0].network.publicSubnets: got 0 subnets (the default), expected three"}},
		"a NAT mode that isn't there":         {[]string{"nat: per-zone", "nat: three"}, []string{`31: stages[2].network.nat: got "three", expected per-zone, one or instance`}},
		"an endpoint that isn't there":        {[]string{"[ecr, logs]", "[ecr, s3]"}, []string{`32: stages[2].network.interfaceEndpoints[1]: got "s3", expected ecr, logs or secretsmanager`}},
		"an endpoint twice":                   {[]string{"[ecr, logs]", "[ecr, ecr]"}, []string{`32: stages[2].network.interfaceEndpoints[1]: got "ecr", expected each endpoint once`}},

		// QA.
		"a QA stage that isn't there":               {[]string{"stage: qa", "stage: test"}, []string{`52: qa.stage: got "test", expected a stage that isn't production: dev or qa`}},
		"a QA stage that is production":             {[]string{"stage: qa", "stage: prod"}, []string{`52: qa.stage: got "prod", which is production, expected another stage: dev or qa`}},
		"a QA stage beside a stage called qa":       {[]string{"stage: qa", "stage: dev"}, []string{`52: qa.stage: got "dev", expected qa: a stage of that name owns the zone`}},
		"only a production stage":                   {[]string{base[strings.Index(base, "  - name: dev"):strings.Index(base, "  - name: prod")], ""}, []string{`43: qa.stage: got "qa", expected a stage that isn't production; there is none`}},
		"no time to live":                           {[]string{"defaultTtl: 48h", "defaultTtl: 0s"}, []string{"53: qa.defaultTtl: got 0s, expected whole minutes, at least one"}},
		"a negative grace":                          {[]string{"grace: 2h", "grace: -2h"}, []string{"56: qa.grace: got -2h0m0s, expected whole minutes"}},
		"a duration with seconds":                   {[]string{"grace: 2h", "grace: 90s"}, []string{"56: qa.grace: got 1m30s, expected whole minutes"}},
		"a default above the maximum":               {[]string{"defaultTtl: 48h", "defaultTtl: 169h"}, []string{"53: qa.defaultTtl: got 169h0m0s, expected at most qa.maxTtl, which is 168h0m0s"}},
		"a maximum above the lifetime":              {[]string{"maxLifetime: 720h", "maxLifetime: 100h"}, []string{"54: qa.maxTtl: got 168h0m0s, expected at most qa.maxLifetime, which is 100h0m0s"}},
		"a maximum below the default that it hides": {[]string{"defaultTtl: 48h\n  maxTtl: 168h", "maxTtl: 24h"}, []string{"53: qa.maxTtl: got 24h0m0s, expected at least qa.defaultTtl, which is 48h0m0s by default"}},
		"a schedule of another kind":                {[]string{"rate(15 minutes)", "'*/15 * * * *'"}, []string{`57: qa.schedule: got "*/15 * * * *", expected rate(15 minutes), rate(1 hour) or cron(`}},
		"one minutes":                               {[]string{"rate(15 minutes)", "rate(1 minutes)"}, []string{`57: qa.schedule: got "rate(1 minutes)", expected rate(1 minute): the unit of 1 has no s`}},
		"a sweep every 1 hours":                     {[]string{"spot: false", "sweepSchedule: rate(1 hours)"}, []string{`58: qa.sweepSchedule: got "rate(1 hours)", expected rate(1 hour): the unit of 1 has no s`}},

		"a network that isn't on its boundary":   {[]string{"spot: false", "allowedCidrs: [198.51.100.7/24]"}, []string{"58: qa.allowedCidrs[0]: got 198.51.100.7/24, expected the boundary of a /24 network"}},
		"private addresses for a public address": {[]string{"spot: false", "allowedCidrs: [10.0.0.0/8]"}, []string{"58: qa.allowedCidrs[0]: got 10.0.0.0/8, expected a public network"}},
		"the whole internet":                     {[]string{"spot: false", "allowedCidrs: [0.0.0.0/0]"}, []string{"58: qa.allowedCidrs[0]: got 0.0.0.0/0, expected a network of at most half the internet"}},
		"an allowed network twice":               {[]string{"spot: false", "allowedCidrs: [198.51.100.0/24, 198.51.100.0/24]"}, []string{"58: qa.allowedCidrs[1]: got 198.51.100.0/24, expected each network once"}},
		"an allowed address without a length":    {[]string{"spot: false", "allowedCidrs: [198.51.100.7]"}, []string{`58: qa.allowedCidrs[0]: got "198.51.100.7", expected an IPv4 network`}},

		// Scaling, WAF and alarms.
		"no requests for a task":             {[]string{"logDays: 30", "scaling: {requestsPerTarget: 0}"}, []string{"19: stages[0].scaling.requestsPerTarget: got 0, expected 1 to 1000000 requests a minute, or no such key"}},
		"a rate as a scaling schedule":       {[]string{"logDays: 30", "scaling: {schedules: [{schedule: rate(1 day), minTasks: 2}]}"}, []string{`19: stages[0].scaling.schedules[0].schedule: got "rate(1 day)", expected cron(minutes hours`}},
		"a scaling schedule of five fields":  {[]string{"logDays: 30", "scaling: {schedules: [{schedule: cron(0 7 ? * *), minTasks: 2}]}"}, []string{`19: stages[0].scaling.schedules[0].schedule: got "cron(0 7 ? * *)", expected six fields in cron(…), not 5`}},
		"a time zone that isn't there":       {[]string{"logDays: 30", "scaling: {schedules: [{schedule: cron(0 7 ? * * *), timeZone: Europe/Atlantis, minTasks: 2}]}"}, []string{`19: stages[0].scaling.schedules[0].timeZone: got "Europe/Atlantis", expected a time zone by its IANA name`}},
		"this machine's time zone":           {[]string{"logDays: 30", "scaling: {schedules: [{schedule: cron(0 7 ? * * *), timeZone: Local, minTasks: 2}]}"}, []string{`19: stages[0].scaling.schedules[0].timeZone: got "Local", expected a time zone`}},
		"a scheduled minimum above the most": {[]string{"logDays: 30", "scaling: {schedules: [{schedule: cron(0 7 ? * * *), minTasks: 5}]}"}, []string{"19: stages[0].scaling.schedules[0].minTasks: got 5, expected 1 to 4, the service's maxTasks"}},
		"a schedule without a minimum":       {[]string{"logDays: 30", "scaling: {schedules: [{schedule: cron(0 7 ? * * *)}]}"}, []string{"19: stages[0].scaling.schedules[0].minTasks: got 0 (the default), expected 1 to 4"}},
		"a WAF mode that isn't there":        {[]string{"logDays: 30", "waf: {mode: allow}"}, []string{`19: stages[0].waf.mode: got "allow", expected block or count`}},
		"a WAF mode that YAML reads as no":   {[]string{"logDays: 30", "waf: {mode: false}"}, []string{`19: stages[0].waf.mode: got false without quotes, expected a string in quotes: "false"`}},
		"a rate limit below WAF's least":     {[]string{"logDays: 30", "waf: {rateLimit: 9}"}, []string{"19: stages[0].waf.rateLimit: got 9, expected 10 to 2000000000"}},
		"an upload path without a slash":     {[]string{"logDays: 30", "waf: {uploadPaths: [artifacts]}"}, []string{`19: stages[0].waf.uploadPaths[0]: got "artifacts", expected a path of letters`}},
		"every path as an upload path":       {[]string{"logDays: 30", "waf: {uploadPaths: [/]}"}, []string{`19: stages[0].waf.uploadPaths[0]: got "/", expected a path`}},
		"a wildcard in an upload path":       {[]string{"logDays: 30", "waf: {uploadPaths: [/a/*]}"}, []string{`19: stages[0].waf.uploadPaths[0]: got "/a/*", expected a path`}},
		"an upload path upwards":             {[]string{"logDays: 30", "waf: {uploadPaths: [/a/../b]}"}, []string{`19: stages[0].waf.uploadPaths[0]: got "/a/../b", expected a path`}},
		"an upload path twice":               {[]string{"logDays: 30", "waf: {uploadPaths: [/a, /a]}"}, []string{`19: stages[0].waf.uploadPaths[1]: got "/a", expected each path once`}},
		"six upload paths":                   {[]string{"logDays: 30", "waf: {uploadPaths: [/a, /b, /c, /d, /e, /f]}"}, []string{"19: stages[0].waf.uploadPaths: got 6 paths, expected at most 5"}},
		"a threshold of 101 %":               {[]string{"logDays: 30", "alarms: {cpuPercent: 101, memoryPercent: 0}"}, []string{"19: stages[0].alarms.cpuPercent: got 101, expected 1 to 100", "19: stages[0].alarms.memoryPercent: got 0, expected 1 to 100"}},
		"no latency at all":                  {[]string{"logDays: 30", "alarms: {latencyMillis: 0}"}, []string{"19: stages[0].alarms.latencyMillis: got 0, expected 1 to 60000"}},
		"a pipeline without a connection":    {[]string{"registry:", "pipeline: {repository: shop}\nregistry:"}, []string{"8: pipeline.connectionArn: got nothing, expected the ARN of a connection", "8: pipeline.repository: got \"shop\", expected <owner>/<name>"}},
		"a connection somewhere else":        {[]string{"registry:", "pipeline: {repository: example/shop, connectionArn: \"arn:aws:codeconnections:eu-west-2:111111111111:connection/01234567-89ab-cdef-0123-456789abcdef\"}\nregistry:"}, []string{"8: pipeline.connectionArn: got a connection in eu-west-2, expected one in eu-west-1"}},
		"a connection of another account":    {[]string{"registry:", "pipeline: {repository: example/shop, connectionArn: \"arn:aws:codeconnections:eu-west-1:222222222222:connection/01234567-89ab-cdef-0123-456789abcdef\"}\nregistry:"}, []string{"8: pipeline.connectionArn: got a connection of account 222222222222, expected one of 111111111111, the registry's account"}},
		"a pipeline of a ref":                {[]string{"registry:", "pipeline: {branch: refs/heads/main, repository: example/shop, connectionArn: \"arn:aws:codestar-connections:eu-west-1:111111111111:connection/01234567-89ab-cdef-0123-456789abcdef\"}\nregistry:"}, []string{"8: pipeline.branch: got \"refs/heads/main\", expected the name of a branch"}},
		"more requests traced than come":     {[]string{"logDays: 30", "tracing: {sampleRatio: 1.5}"}, []string{"19: stages[0].tracing.sampleRatio: got 1.5, expected 0 to 1"}},
		"a share in per cent":                {[]string{"logDays: 30", "tracing: {sampleRatio: 5%}"}, []string{"19: stages[0].tracing.sampleRatio: got \"5%\", expected a number in plain digits, such as 0.05"}},
		"a share in quotes":                  {[]string{"logDays: 30", "tracing: {sampleRatio: \"0.05\"}"}, []string{"19: stages[0].tracing.sampleRatio: got \"0.05\", expected a number in plain digits"}},
		"a share with an exponent":           {[]string{"logDays: 30", "tracing: {sampleRatio: 5e-2}"}, []string{"19: stages[0].tracing.sampleRatio: got \"5e-2\", expected a number in plain digits"}},
		"a share that is no number":          {[]string{"logDays: 30", "tracing: {sampleRatio: .nan}"}, []string{"19: stages[0].tracing.sampleRatio: got .nan, expected a number in plain digits"}},
		"an alarm with half the storage":     {[]string{"logDays: 30", "alarms: {databaseFreePercent: 51}"}, []string{"19: stages[0].alarms.databaseFreePercent: got 51, expected 1 to 50"}},
		"an alarm on no connection":          {[]string{"logDays: 30", "alarms: {databaseConnections: 0}"}, []string{"19: stages[0].alarms.databaseConnections: got 0, expected 1 to 262143"}},
		"a class whose memory isn't known":   {[]string{"instanceClass: m7g.large", "instanceClass: q9.large"}, []string{"24: stages[2].alarms.databaseConnections: got nothing, expected the number of connections to alarm at: the memory of q9.large isn't known here"}},
		"no environment at all":              {[]string{"spot: false", "maxEnvironments: 0"}, []string{"58: qa.maxEnvironments: got 0, expected 1 to 1000"}},
		"office hours over midnight":         {[]string{"spot: false", `officeHours: {from: "20:00", until: "07:00"}`}, []string{`58: qa.officeHours.until: got "07:00", expected a time after from, which is 20:00, on the same day`}},
		"office hours without an end":        {[]string{"spot: false", `officeHours: {from: "07:00"}`}, []string{`58: qa.officeHours.until: got nothing, expected a time of day such as "20:00"`}},
		"an hour without minutes":            {[]string{"spot: false", `officeHours: {from: "7", until: "20:00"}`}, []string{`58: qa.officeHours.from: got "7", expected a time of day such as "07:00"`}},
		"office hours on Atlantis":           {[]string{"spot: false", `officeHours: {from: "07:00", until: "20:00", timeZone: Europe/Atlantis}`}, []string{`58: qa.officeHours.timeZone: got "Europe/Atlantis", expected a time zone by its IANA name`}},
		"a time zone without hours":          {[]string{"spot: false", "officeHours: {timeZone: Europe/Dublin, weekends: true}"}, []string{"58: qa.officeHours.timeZone: got office hours without from and until, expected from and until too", "58: qa.officeHours.weekends: got office hours without"}},

		// Several at once, in the order of the lines.
		"faults of all kinds at once": {
			[]string{"domain: example.com", "domian: example.com", `"111111111111"`, "111111111111", "name: prod", "name: dev", "cidr: 10.1.0.0/16", "cidr: 10.2.0.0/17", "memoryMiB: 2048", "memoryMiB: 512", "defaultTtl: 48h", "defaultTtl: 1000h"},
			[]string{"1: domain: got nothing", "4: domian: got an unknown key, expected domain (or", "6: accounts.shared: got 111111111111 without quotes", "23: stages[1].network.cidr: got 10.2.0.0/16, expected a network that doesn't overlap 10.2.0.0/17", "24: stages[2].name", "47: stages[2].service.memoryMiB", "53: qa.defaultTtl"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := parseConfig("platform.yaml", []byte(edit(t, base, c.edits...)), Profile{})
			var faults Faults
			if !errors.As(err, &faults) || cfg != nil {
				t.Fatalf("got %v, %v; want faults and no configuration", cfg, err)
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(c.want) || len(faults) != len(c.want) {
				t.Fatalf("got %d faults, want %d:\n%v", len(faults), len(c.want), err)
			}
			for i, want := range c.want {
				if !strings.HasPrefix(lines[i], "platform.yaml:"+want) {
					t.Errorf("got  %s\nwant platform.yaml:%s…", lines[i], want)
				}
			}
		})
	}
}

func TestAFaultReadsAsASentence(t *testing.T) {
	path := write(t, edit(t, base, "region: eu-west-1", "region: eu-west-1\nplatform: x", "cidr: 10.1.0.0/16", "cidr: 10.1.1.0/16"))
	_, err := Load(path, Profile{})
	want := path + ":3: platform: got the key a second time, expected it once, as in line 1\n" +
		path + ":19: stages[0].network.cidr: got 10.1.1.0/16, expected the boundary of a /16 network: 10.1.1.0 lies in 10.1.0.0/16"
	if err == nil || err.Error() != want {
		t.Fatalf("got\n%v\nwant\n%s", err, want)
	}
	var faults Faults
	if !errors.As(err, &faults) || faults[1].Line != 19 || faults[1].Path != "stages[0].network.cidr" || faults[1].Got != "10.1.1.0/16" || faults[1].File != path {
		t.Fatalf("got %+v", faults)
	}
}

func TestWhatIsNoConfigurationAtAll(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"an open bracket":          {"region: x\nzones: [a,\nb: {\n", "platform.yaml:3: got a YAML syntax error ("},
		"a tab":                    {"region: x\n\tdomain: y\n", "platform.yaml:2: got a YAML syntax error ("},
		"an empty file":            {"", "platform.yaml:1: got an empty file"},
		"only a comment":           {"# nothing\n", "platform.yaml:1: got an empty file"},
		"two documents":            {"---\nregion: x\n---\nregion: y\n", "platform.yaml:4: got a second YAML document"},
		"a word":                   {"hello", `platform.yaml:1: got "hello", expected a mapping with the keys platform, region, `},
		"a list":                   {"- a\n- b\n", "platform.yaml:1: got a list, expected a mapping"},
		"a file of another kind":   {"\x7fELF\x02\x01\x01\x00\x00", "platform.yaml:1: got"},
		"brackets without end":     {"region: x\nzones: " + strings.Repeat("[", 30000), "platform.yaml:2: got more than 16 levels in each other"},
		"mappings without end":     {strings.Repeat("a: {", 15000), "platform.yaml:1: got more than 16 levels"},
		"lists without end":        {strings.Repeat("- ", 30000), "platform.yaml:1: got more than 16 levels"},
		"a very large file":        {strings.Repeat("# comment\n", 10000), "platform.yaml:1: got 100000 bytes, expected a configuration of at most 65536"},
		"lines that end as in DOS": {"platform: ok\r\nregion: x\r\n", "platform.yaml:1: accounts: got nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseConfig("platform.yaml", []byte(c.text), Profile{})
			var faults Faults
			if !errors.As(err, &faults) || !strings.HasPrefix(err.Error(), c.want) {
				t.Fatalf("got %v, want %s…", err, c.want)
			}
		})
	}
}

func TestASyntaxErrorShowsThePlace(t *testing.T) {
	_, err := parseConfig("platform.yaml", []byte("region: x\nzones: [a,\nb: {\n"), Profile{})
	var faults Faults
	if !errors.As(err, &faults) || len(faults) != 1 || !strings.Contains(faults[0].Excerpt, ">  3 | b: {") || !strings.HasSuffix(err.Error(), faults[0].Excerpt) {
		t.Fatalf("got %v", err)
	}
}
