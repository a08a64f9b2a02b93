package finding

import "strings"

// Family is what kind of resource a type of finding is about, and so what may be done about it.
type Family string

// The families.
const (
	EC2        Family = "EC2"        // an instance
	IAM        Family = "IAM"        // credentials
	S3         Family = "S3"         // buckets, and the credentials that were used on them
	Runtime    Family = "Runtime"    // what a process in an instance or a task does
	ECS        Family = "ECS"        // malware in a task
	RDS        Family = "RDS"        // logins to a database
	TellOnly   Family = "TellOnly"   // Slipway tells people about it and does nothing
	Unfamiliar Family = "Unfamiliar" // not in the list below
)

// known are the active types of AWS's documentation.
// GuardDuty gets new types every few months; one that isn't here is reported and changes nothing, until someone has decided
// what may be done about it.
//
// Source: https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_finding-types-active.html, and the table in
// https://docs.aws.amazon.com/guardduty/latest/ug/securityhub-integration.html
var known = map[Family]string{
	EC2: `
		Backdoor:EC2/C&CActivity.B Backdoor:EC2/C&CActivity.B!DNS Backdoor:EC2/DenialOfService.Dns Backdoor:EC2/DenialOfService.Tcp
		Backdoor:EC2/DenialOfService.Udp Backdoor:EC2/DenialOfService.UdpOnTcpPorts Backdoor:EC2/DenialOfService.UnusualProtocol
		Backdoor:EC2/Spambot Behavior:EC2/NetworkPortUnusual Behavior:EC2/TrafficVolumeUnusual CryptoCurrency:EC2/BitcoinTool.B
		CryptoCurrency:EC2/BitcoinTool.B!DNS DefenseEvasion:EC2/UnusualDNSResolver DefenseEvasion:EC2/UnusualDoHActivity
		DefenseEvasion:EC2/UnusualDoTActivity Execution:EC2/MaliciousFile Execution:EC2/SuspiciousFile
		Impact:EC2/AbusedDomainRequest.Reputation Impact:EC2/BitcoinDomainRequest.Reputation Impact:EC2/MaliciousDomainRequest.Reputation
		Impact:EC2/MaliciousDomainRequest.Custom Impact:EC2/PortSweep Impact:EC2/SuspiciousDomainRequest.Reputation Impact:EC2/WinRMBruteForce
		Recon:EC2/PortProbeEMRUnprotectedPort Recon:EC2/PortProbeUnprotectedPort Recon:EC2/Portscan Trojan:EC2/BlackholeTraffic
		Trojan:EC2/BlackholeTraffic!DNS Trojan:EC2/DGADomainRequest.B Trojan:EC2/DGADomainRequest.C!DNS Trojan:EC2/DNSDataExfiltration
		Trojan:EC2/DriveBySourceTraffic!DNS Trojan:EC2/DropPoint Trojan:EC2/DropPoint!DNS Trojan:EC2/PhishingDomainRequest!DNS
		UnauthorizedAccess:EC2/MaliciousIPCaller.Custom UnauthorizedAccess:EC2/MetadataDNSRebind UnauthorizedAccess:EC2/RDPBruteForce
		UnauthorizedAccess:EC2/SSHBruteForce UnauthorizedAccess:EC2/TorClient UnauthorizedAccess:EC2/TorRelay`,
	IAM: `
		CredentialAccess:IAMUser/AnomalousBehavior DefenseEvasion:IAMUser/AnomalousBehavior DefenseEvasion:IAMUser/BedrockLoggingDisabled
		Discovery:IAMUser/AnomalousBehavior Exfiltration:IAMUser/AnomalousBehavior Impact:IAMUser/AnomalousBehavior
		InitialAccess:IAMUser/AnomalousBehavior PenTest:IAMUser/KaliLinux PenTest:IAMUser/ParrotLinux PenTest:IAMUser/PentooLinux
		Persistence:IAMUser/AnomalousBehavior Policy:IAMUser/RootCredentialUsage Policy:IAMUser/ShortTermRootCredentialUsage
		PrivilegeEscalation:IAMUser/AnomalousBehavior Recon:IAMUser/MaliciousIPCaller Recon:IAMUser/MaliciousIPCaller.Custom
		Recon:IAMUser/TorIPCaller Stealth:IAMUser/CloudTrailLoggingDisabled Stealth:IAMUser/PasswordPolicyChange
		UnauthorizedAccess:IAMUser/ConsoleLoginSuccess.B UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.InsideAWS
		UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS UnauthorizedAccess:IAMUser/MaliciousIPCaller
		UnauthorizedAccess:IAMUser/MaliciousIPCaller.Custom UnauthorizedAccess:IAMUser/ResourceCredentialExfiltration.InsideAWS
		UnauthorizedAccess:IAMUser/ResourceCredentialExfiltration.OutsideAWS UnauthorizedAccess:IAMUser/TorIPCaller`,
	S3: `
		Discovery:S3/AnomalousBehavior Discovery:S3/MaliciousIPCaller Discovery:S3/MaliciousIPCaller.Custom Discovery:S3/TorIPCaller
		Exfiltration:S3/AnomalousBehavior Exfiltration:S3/MaliciousIPCaller Impact:S3/AnomalousBehavior.Delete
		Impact:S3/AnomalousBehavior.Permission Impact:S3/AnomalousBehavior.Write Impact:S3/MaliciousIPCaller Object:S3/MaliciousFile
		PenTest:S3/KaliLinux PenTest:S3/ParrotLinux PenTest:S3/PentooLinux Policy:S3/AccountBlockPublicAccessDisabled
		Policy:S3/BucketAnonymousAccessGranted Policy:S3/BucketBlockPublicAccessDisabled Policy:S3/BucketPublicAccessGranted
		Stealth:S3/ServerAccessLoggingDisabled UnauthorizedAccess:S3/MaliciousIPCaller.Custom UnauthorizedAccess:S3/TorIPCaller`,
	Runtime: `
		Backdoor:Runtime/C&CActivity.B Backdoor:Runtime/C&CActivity.B!DNS CryptoCurrency:Runtime/BitcoinTool.B
		CryptoCurrency:Runtime/BitcoinTool.B!DNS DefenseEvasion:Runtime/FilelessExecution DefenseEvasion:Runtime/KernelModuleLoaded
		DefenseEvasion:Runtime/ProcessInjection.Proc DefenseEvasion:Runtime/ProcessInjection.Ptrace
		DefenseEvasion:Runtime/ProcessInjection.VirtualMemoryWrite DefenseEvasion:Runtime/PtraceAntiDebugging
		DefenseEvasion:Runtime/SensitiveFileModified DefenseEvasion:Runtime/SuspiciousCommand Discovery:Runtime/SuspiciousCommand
		Execution:Runtime/MaliciousFileExecuted Execution:Runtime/MaliciousFileExecuted.Custom Execution:Runtime/NewBinaryExecuted
		Execution:Runtime/NewLibraryLoaded Execution:Runtime/ReverseShell Execution:Runtime/SuspiciousCommand
		Execution:Runtime/SuspiciousShellCreated Execution:Runtime/SuspiciousTool Impact:Runtime/AbusedDomainRequest.Reputation
		Impact:Runtime/BitcoinDomainRequest.Reputation Impact:Runtime/CryptoMinerExecuted Impact:Runtime/MaliciousDomainRequest.Reputation
		Impact:Runtime/SuspiciousDomainRequest.Reputation Persistence:Runtime/SensitiveFileModified Persistence:Runtime/SuspiciousCommand
		PrivilegeEscalation:Runtime/CGroupsReleaseAgentModified PrivilegeEscalation:Runtime/ContainerMountsHostDirectory
		PrivilegeEscalation:Runtime/DockerSocketAccessed PrivilegeEscalation:Runtime/ElevationToRoot
		PrivilegeEscalation:Runtime/RuncContainerEscape PrivilegeEscalation:Runtime/SensitiveFileModified
		PrivilegeEscalation:Runtime/SuspiciousCommand PrivilegeEscalation:Runtime/UserfaultfdUsage Trojan:Runtime/BlackholeTraffic
		Trojan:Runtime/BlackholeTraffic!DNS Trojan:Runtime/DGADomainRequest.C!DNS Trojan:Runtime/DriveBySourceTraffic!DNS
		Trojan:Runtime/DropPoint Trojan:Runtime/DropPoint!DNS Trojan:Runtime/PhishingDomainRequest!DNS
		UnauthorizedAccess:Runtime/MetadataDNSRebind UnauthorizedAccess:Runtime/TorClient UnauthorizedAccess:Runtime/TorRelay`,
	ECS: `Execution:ECS/MaliciousFile Execution:ECS/SuspiciousFile`,
	RDS: `
		CredentialAccess:RDS/AnomalousBehavior.FailedLogin CredentialAccess:RDS/AnomalousBehavior.SuccessfulBruteForce
		CredentialAccess:RDS/AnomalousBehavior.SuccessfulLogin CredentialAccess:RDS/MaliciousIPCaller.FailedLogin
		CredentialAccess:RDS/MaliciousIPCaller.SuccessfulLogin CredentialAccess:RDS/TorIPCaller.FailedLogin
		CredentialAccess:RDS/TorIPCaller.SuccessfulLogin Discovery:RDS/MaliciousIPCaller Discovery:RDS/TorIPCaller`,
	// Slipway has no Kubernetes and no containers outside ECS. A copy of a volume can't be contained, a function and an attack
	// sequence need a person's look.
	TellOnly: `
		AttackSequence:EC2/CompromisedInstanceGroup AttackSequence:ECS/CompromisedCluster AttackSequence:EKS/CompromisedCluster
		AttackSequence:IAM/CompromisedCredentials AttackSequence:S3/CompromisedData Backdoor:Lambda/C&CActivity.B
		CryptoCurrency:Lambda/BitcoinTool.B Execution:Container/MaliciousFile Execution:Container/SuspiciousFile
		Execution:EC2/MaliciousFile!AMI Execution:EC2/MaliciousFile!RecoveryPoint Execution:EC2/MaliciousFile!Snapshot
		Execution:Kubernetes/MaliciousFile Execution:Kubernetes/SuspiciousFile Execution:S3/MaliciousFile!RecoveryPoint
		Trojan:Lambda/BlackholeTraffic Trojan:Lambda/DropPoint UnauthorizedAccess:Lambda/MaliciousIPCaller.Custom
		UnauthorizedAccess:Lambda/TorClient UnauthorizedAccess:Lambda/TorRelay`,
}

var families = func() map[string]Family {
	of := map[string]Family{}
	for family, names := range known {
		for name := range strings.FieldsSeq(names) {
			of[name] = family
		}
	}
	return of
}()

// FamilyOf is the family of a type; Unfamiliar for one that isn't known here.
func FamilyOf(kind string) Family {
	if family, ok := families[kind]; ok {
		return family
	}
	return Unfamiliar
}

// Types are all known types of a family, in the order of the source.
func Types(family Family) []string { return strings.Fields(known[family]) }
