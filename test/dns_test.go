package test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// fronts are the names under which each stage answers.
var fronts = map[string][]string{
	"dev": {"app.dev.example.com"}, "qa": {"*.qa.example.com", "qa.example.com"},
	"stage": {"app.stage.example.com"}, "prod": {"app.example.com"},
}

func TestZonesAndCertificates(t *testing.T) {
	for name, c := range map[string]struct {
		synthesis    func() (*assembly, error)
		zones        map[string]string   // zone by stack
		certificates map[string][]string // names by stack, the first of each certificate first
		of           map[string]string   // stack that holds a stage's names
	}{
		"one account has one zone with all certificates": {
			shipped,
			map[string]string{"slipway-dns": "example.com."},
			map[string][]string{"slipway-dns": {"app.dev.example.com", "app.example.com", "qa.example.com *.qa.example.com", "app.stage.example.com"}},
			map[string]string{"dev": "slipway-dns", "qa": "slipway-dns", "stage": "slipway-dns", "prod": "slipway-dns"},
		},
		"with several accounts each stage has a zone of its own": {
			several,
			map[string]string{
				"slipway-dns": "example.com.", "slipway-dev-dns": "dev.example.com.", "slipway-qa-dns": "qa.example.com.",
				"slipway-stage-dns": "stage.example.com.", "slipway-prod-dns": "app.example.com.",
			},
			map[string][]string{
				"slipway-dns": nil, "slipway-dev-dns": {"app.dev.example.com"}, "slipway-qa-dns": {"qa.example.com *.qa.example.com"},
				"slipway-stage-dns": {"app.stage.example.com"}, "slipway-prod-dns": {"app.example.com"},
			},
			map[string]string{"dev": "slipway-dev-dns", "qa": "slipway-qa-dns", "stage": "slipway-stage-dns", "prod": "slipway-prod-dns"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			all := must(t, c.synthesis)
			for stack, other := range all.templates {
				if _, known := c.zones[stack]; !known && len(other.all("AWS::Route53::HostedZone")) > 0 {
					t.Errorf("%s has a zone", stack)
				}
				if _, known := c.zones[stack]; !known && len(other.all("AWS::CertificateManager::Certificate")) > 0 {
					t.Errorf("%s has a certificate", stack)
				}
			}
			for stack, want := range c.zones {
				zone := all.stack(t, stack).one(t, "AWS::Route53::HostedZone")
				zone.want(t, "Name", want)
				zone.want(t, "VPCs", nil) // a public zone: ACM asks the public DNS
				var names []string
				for _, certificate := range all.stack(t, stack).all("AWS::CertificateManager::Certificate") {
					certificate.want(t, "ValidationMethod", "DNS")
					for _, option := range list(certificate.at("DomainValidationOptions")) {
						if ref(at(option, "HostedZoneId")) != zone.LogicalID {
							t.Errorf("%s: %s is validated in %s", stack, text(at(option, "DomainName")), text(at(option, "HostedZoneId")))
						}
					}
					covered := []string{fmt.Sprint(certificate.at("DomainName"))}
					for _, other := range list(certificate.at("SubjectAlternativeNames")) {
						covered = append(covered, fmt.Sprint(other))
					}
					names = append(names, strings.Join(covered, " "))
				}
				expected := slices.Clone(c.certificates[stack])
				slices.Sort(names)
				slices.Sort(expected)
				if !slices.Equal(names, expected) {
					t.Errorf("%s: certificates for %q, want %q", stack, names, expected)
				}
			}
			// Each front's records lie in its zone, and its certificate covers them.
			for stage, want := range fronts {
				service := all.stack(t, "slipway-"+stage+"-service")
				var records []string
				for _, record := range service.all("AWS::Route53::RecordSet") {
					name := fmt.Sprint(record.at("Name"))
					records = append(records, strings.TrimSuffix(name, "."))
					if zone := c.zones[c.of[stage]]; name != zone && !strings.HasSuffix(name, "."+zone) {
						t.Errorf("%s is no name of the zone %s", name, zone)
					}
					if from := fmt.Sprint(at(record.at("HostedZoneId"), "Fn::ImportValue")); !strings.HasPrefix(from, c.of[stage]+":") {
						t.Errorf("%s is entered in %s, want the zone of %s", name, text(record.at("HostedZoneId")), c.of[stage])
					}
					record.want(t, "Type", "A")
					if record.at("AliasTarget.DNSName") == nil {
						t.Errorf("%s is no alias of the load balancer", name)
					}
				}
				slices.Sort(records)
				if !slices.Equal(records, want) {
					t.Errorf("%s answers at %v, want %v", stage, records, want)
				}
				for _, listener := range service.all("AWS::ElasticLoadBalancingV2::Listener") {
					if text(listener.at("Port")) != "443" {
						continue
					}
					if from := fmt.Sprint(at(listener.at("Certificates.0.CertificateArn"), "Fn::ImportValue")); !strings.HasPrefix(from, c.of[stage]+":") {
						t.Errorf("%s has the certificate %s, want one of %s", stage, from, c.of[stage])
					}
				}
			}
		})
	}
}

// TestADelegationEntersOneNameOnly: the role lies in the root zone's account, and whoever takes it must not be able to
// move any other name.
func TestADelegationEntersOneNameOnly(t *testing.T) {
	root := must(t, several).stack(t, "slipway-dns")
	roles := map[string]resource{}
	for _, role := range root.all("AWS::IAM::Role") {
		roles[fmt.Sprint(role.at("RoleName"))] = role
	}
	if len(roles) != 4 {
		t.Errorf("%d roles, want one for each stage elsewhere", len(roles))
	}
	for stage, want := range map[string]struct{ account, zone string }{
		"dev": {"222222222222", "dev.example.com"}, "qa": {"222222222222", "qa.example.com"},
		"stage": {"222222222222", "stage.example.com"}, "prod": {"333333333333", "app.example.com"},
	} {
		t.Run(stage, func(t *testing.T) {
			name := "slipway-" + stage + "-delegation"
			role, ok := roles[name]
			if !ok {
				t.Fatalf("no role %s", name)
			}
			trust := list(role.at("AssumeRolePolicyDocument.Statement"))
			if len(trust) != 1 || !strings.Contains(text(at(trust[0], "Principal.AWS")), want.account) || len(list(at(trust[0], "Principal.AWS"))) != 1 {
				t.Errorf("may be taken by %s, want the account %s", text(trust), want.account)
			}
			role.want(t, "ManagedPolicyArns", nil)
			role.want(t, "Policies", nil)
			for _, policy := range root.all("AWS::IAM::Policy") {
				if !strings.Contains(text(policy.at("Roles")), role.LogicalID) {
					continue
				}
				for _, statement := range list(policy.at("PolicyDocument.Statement")) {
					switch fmt.Sprint(at(statement, "Action")) {
					case "route53:ListHostedZonesByName": // knows no resource
					case "route53:ChangeResourceRecordSets":
						if !strings.Contains(text(at(statement, "Resource")), root.one(t, "AWS::Route53::HostedZone").LogicalID) {
							t.Errorf("changes %s", text(at(statement, "Resource")))
						}
						condition := text(at(statement, "Condition"))
						if want := fmt.Sprintf(`{"ForAllValues:StringEquals":{"route53:ChangeResourceRecordSetsActions":["UPSERT","DELETE"],"route53:ChangeResourceRecordSetsNormalizedRecordNames":[%q],"route53:ChangeResourceRecordSetsRecordTypes":["NS"]}}`, want.zone); condition != want {
							t.Errorf("condition %s, want %s", condition, want)
						}
					default:
						t.Errorf("may also %s", text(at(statement, "Action")))
					}
				}
			}

			// The other side: the record names that role and zone, and the certificate waits for it.
			stack := must(t, several).stack(t, "slipway-"+stage+"-dns")
			record := stack.one(t, "Custom::CrossAccountZoneDelegation")
			record.want(t, "ParentZoneName", "example.com")
			record.want(t, "DelegatedZoneName", want.zone)
			if arn := text(record.at("AssumeRoleArn")); !strings.Contains(arn, "111111111111:role/"+name) {
				t.Errorf("takes the role %s", arn)
			}
			certificate := stack.one(t, "AWS::CertificateManager::Certificate")
			if !slices.Contains(list(certificate.DependsOn), any(record.LogicalID)) {
				t.Errorf("the certificate waits for %s: ACM would find no name server", text(certificate.DependsOn))
			}
		})
	}
}

// TestOneAccountDelegatesNothing: the root zone holds every name itself.
func TestOneAccountDelegatesNothing(t *testing.T) {
	for name, stack := range shippedAssembly(t).templates {
		if len(stack.all("Custom::CrossAccountZoneDelegation")) > 0 {
			t.Errorf("%s delegates", name)
		}
	}
	if roles := shippedAssembly(t).stack(t, "slipway-dns").all("AWS::IAM::Role"); len(roles) > 0 {
		t.Errorf("%d roles", len(roles))
	}
}

func TestTheZoneOutlivesItsStack(t *testing.T) {
	for name, want := range map[string]string{"slipway-dns": "Retain", "slipway-prod-dns": "Retain", "slipway-stage-dns": "Retain", "slipway-dev-dns": "Delete"} {
		// A new zone has other name servers, which the registrar doesn't know.
		zone := must(t, several).stack(t, name).one(t, "AWS::Route53::HostedZone")
		if zone.DeletionPolicy != want {
			t.Errorf("%s: %s, want %s", name, zone.DeletionPolicy, want)
		}
	}
	output := shippedAssembly(t).stack(t, "slipway-dns").Outputs["NameServers"]
	if !strings.Contains(text(output["Value"]), "NameServers") {
		t.Errorf("output %s, want the name servers for the registrar", text(output))
	}
}
