package apply

import (
	"slipway/internal/contract"
	"slipway/lambdas/accountbaseline/decide"
)

// Clients are what the settings call.
type Clients struct {
	IAM            IAM
	EC2            EC2
	S3             S3Control
	GuardDuty      GuardDuty
	AccessAnalyzer AccessAnalyzer
	SecurityHub    SecurityHub
	Config         Config
	// Account has twelve digits.
	Account string
	Region  string
	Patience
}

// Rows are the settings that there are. One more is a file and a line here, its name in the contract, its actions in
// testdata/actions.txt and in the construct.
func Rows(c Clients) []Row {
	return []Row{
		{contract.SettingPasswordPolicy, passwordPolicy{c.IAM}, decide.Strictest},
		{contract.SettingEBSEncryption, ebsEncryption{c.EC2}, decide.Exactly},
		{contract.SettingS3PublicAccess, s3PublicAccess{c.S3, c.Account}, decide.Exactly},
		{contract.SettingInstanceMetadata, instanceMetadata{c.EC2}, decide.Exactly},
		{contract.SettingDetector, detector{c.GuardDuty}, decide.OthersOff},
		{contract.SettingAnalyzer, analyzer{c.AccessAnalyzer}, decide.Adopt()},
		{contract.SettingSecurityHub, hub{c.SecurityHub, c.Region, c.Patience}, decide.Exactly},
		{contract.SettingRecorder, recorder{c.Config, c.IAM, c.Account, c.Patience}, decide.Adopt(contract.KeyRecording)},
	}
}
