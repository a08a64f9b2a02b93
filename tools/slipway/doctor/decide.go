package doctor

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"slipway/internal/config"
	"slipway/internal/contract"
)

// Level is how bad a finding is.
type Level string

// The levels. Only Bad fails the command.
const (
	Good Level = "ok"
	Note Level = "note"
	Bad  Level = "BAD"
)

// Finding is one thing that was looked at.
type Finding struct {
	Level Level
	About string
	Says  string
	// Do is what to do next; empty where nothing is to be done.
	Do string
}

// accountFacts is what is known of one account.
type accountFacts struct {
	id        string
	problem   string // why nothing else is known
	bootstrap int    // 0: not bootstrapped
	vcpus     *float64
	addresses *float64
	inUse     int // Elastic IPs
	detectors int
	stacks    map[string]string // name → status
	unknown   []string          // what couldn't be read
}

// zone is what is known of one hosted zone.
type zone struct {
	name    string
	account string
	exists  bool
	servers []string // of the zone
	public  []string // that the public DNS names; nil where it wasn't asked
	problem string
}

// certificate is what is known of a certificate; unknown says why nothing is.
type certificate struct{ name, status, reason, unknown string }

// image is what is known of the image to deploy.
type image struct {
	reference string
	missing   bool
	problem   string // of its scan
}

// release is what is known of a stage's service.
type release struct {
	stage     string
	recorded  string // the image that runs; empty before the first deployment
	running   []string
	front     bool // whether the QA stage has its load balancer
	rules     int
	ruleQuota *float64
	unknown   []string // what couldn't be read
}

// facts are everything that a check needs.
type facts struct {
	region       string
	platform     string
	accounts     []accountFacts
	zones        []zone
	certificates []certificate
	image        *image
	releases     []release
}

// qaEnvironments is how many QA environments the quota of vCPUs should hold.
const qaEnvironments = 10

// rulesLeft is how many listener rules the front of the QA environments should still take.
const rulesLeft = 10

// decide judges the facts for the stages of cfg that are to be deployed.
func decide(cfg *config.Config, stages []config.Stage, f facts) []Finding {
	var all []Finding
	add := func(level Level, about, do, says string, args ...any) {
		all = append(all, Finding{Level: level, About: about, Says: fmt.Sprintf(says, args...), Do: do})
	}
	for _, a := range f.accounts {
		about := "account " + a.id
		if a.problem != "" {
			add(Bad, about, "use credentials of that account, or such that may take its role cdk-"+contract.BootstrapQualifier+
				"-lookup-role: bootstrap it with --trust "+cfg.Account(cfg.Registry.Account), "can't be reached: %s", a.problem)
			continue
		}
		for _, what := range a.unknown {
			add(Note, about, "look at it in the console", "not checked: %s", what)
		}
		bootstrap := fmt.Sprintf("npx cdk bootstrap aws://%s/%s (docs/operations.md has the narrow policy)", a.id, f.region)
		switch {
		case a.bootstrap == 0:
			add(Bad, about, bootstrap, "isn't bootstrapped for the CDK in %s", f.region)
		case a.bootstrap < contract.BootstrapVersion:
			add(Bad, about, bootstrap, "has version %d of the bootstrap stack, %d is needed", a.bootstrap, contract.BootstrapVersion)
		default:
			add(Good, about, "", "is bootstrapped, version %d", a.bootstrap)
		}
		all = append(all, quotas(cfg, stages, a)...)
		all = append(all, detector(cfg, a)...)
		all = append(all, stacks(cfg, stages, a)...)
	}
	for _, z := range f.zones {
		all = append(all, delegation(cfg, z))
	}
	for _, c := range f.certificates {
		switch {
		case c.unknown != "":
			add(Note, "certificate "+c.name, "look at it in the console", "not checked: %s", c.unknown)
		case c.status == "ISSUED":
			add(Good, "certificate "+c.name, "", "is issued")
		case c.status == "PENDING_VALIDATION":
			add(Bad, "certificate "+c.name, "delegate the zone to its name servers; ACM gives up after 72 hours", "waits for its DNS record")
		default:
			add(Bad, "certificate "+c.name, "deploy the DNS stack again when the cause is mended, or delete the certificate", "is %s: %s", c.status, c.reason)
		}
	}
	if f.image != nil {
		repository := cfg.Registry.Repository
		switch {
		case f.image.missing:
			add(Bad, "image "+f.image.reference, "build and push it first: slipway image, or the image step of the workflow or pipeline", "isn't in the repository %s", repository)
		case f.image.problem != "":
			add(Bad, "image "+f.image.reference, "wait for the scan, mend the image, or write a dated exception under registry.scan", "%s", f.image.problem)
		default:
			add(Good, "image "+f.image.reference, "", "is in the repository %s and may be deployed", repository)
		}
	}
	for _, r := range f.releases {
		about := "stage " + r.stage
		for _, id := range r.running {
			add(Bad, about, "wait for it, or stop it: aws deploy stop-deployment --deployment-id "+id, "deployment %s is running", id)
		}
		for _, what := range r.unknown {
			add(Note, about, "look at it in the console", "not checked: %s", what)
		}
		switch {
		case r.stage == cfg.QA.Stage && !r.front && len(r.unknown) == 0:
			add(Note, about, "deploy it before its environments", "has no load balancer yet")
		case r.ruleQuota != nil && float64(r.rules)+rulesLeft > *r.ruleQuota:
			// Those that exist may still be updated, and a new one that has no room is refused when it comes.
			add(Note, about, "end QA environments, or ask for more: quota L-7EED9B64 of elasticloadbalancing",
				"its load balancer has %d of %.0f rules", r.rules, *r.ruleQuota)
		case r.ruleQuota != nil:
			add(Good, about, "", "its load balancer has %d of %.0f rules", r.rules, *r.ruleQuota)
		case r.recorded != "":
			add(Good, about, "", "runs %s", r.recorded)
		case r.front || len(r.unknown) > 0: // what is missing was said
		case f.image == nil:
			add(Note, about, "give the first deployment an image: -c imageTag=<commit>", "has never been deployed")
		}
	}
	return all
}

// quotas compares what an account's stages need with what AWS lets the account have. Most new accounts get 6 vCPUs of
// Fargate and 5 addresses.
func quotas(cfg *config.Config, stages []config.Stage, a accountFacts) []Finding {
	least, most, addresses := 0.0, 0.0, 0
	for _, stage := range stages {
		if cfg.Account(stage.Account) != a.id {
			continue
		}
		each := float64(stage.Service.CPU) / 1024
		if stage.Name == cfg.QA.Stage {
			if !*cfg.QA.Spot { // Spot has a quota of its own
				most += qaEnvironments * each
			}
		} else {
			least += float64(stage.Service.MinTasks) * each
			most += 2 * float64(stage.Service.MaxTasks) * each // a deployment runs both versions
		}
		if _, there := a.stacks[contract.StageStack(cfg.Platform, stage.Name, contract.PartNetwork)]; !there {
			addresses += gateways(cfg, stage)
		}
	}
	about := "account " + a.id
	var all []Finding
	if a.vcpus != nil && len(stages) > 0 {
		ask := fmt.Sprintf("ask for %.0f: aws service-quotas request-service-quota-increase --service-code fargate --quota-code L-3032A521 --desired-value %.0f", math.Ceil(most), math.Ceil(most))
		switch {
		case *a.vcpus < least:
			all = append(all, Finding{Bad, about, fmt.Sprintf("may run %g vCPUs on Fargate, its stages begin with %g", *a.vcpus, least), ask})
		case *a.vcpus < most:
			all = append(all, Finding{Note, about, fmt.Sprintf("may run %g vCPUs on Fargate, its stages need up to %g", *a.vcpus, most), ask})
		default:
			all = append(all, Finding{Good, about, fmt.Sprintf("may run %g vCPUs on Fargate, its stages need up to %g", *a.vcpus, most), ""})
		}
	}
	if a.addresses != nil && addresses > 0 {
		found := Finding{Good, about, fmt.Sprintf("has %d of %.0f Elastic IPs in use, NAT gateways still to come need %d", a.inUse, *a.addresses, addresses), ""}
		if float64(a.inUse+addresses) > *a.addresses {
			found.Level = Bad
			found.Do = fmt.Sprintf("ask for %d: aws service-quotas request-service-quota-increase --service-code ec2 --quota-code L-0263D0A3 --desired-value %d; or choose nat: one", a.inUse+addresses, a.inUse+addresses)
		}
		all = append(all, found)
	}
	return all
}

// gateways is how many Elastic IPs a stage's network takes. A NAT instance has an address that isn't elastic.
func gateways(cfg *config.Config, stage config.Stage) int {
	switch stage.Network.NAT {
	case config.NATPerZone:
		return len(cfg.Zones)
	case config.NATOne:
		return 1
	}
	return 0
}

func detector(cfg *config.Config, a accountFacts) []Finding {
	name := contract.PlatformStack(cfg.Platform, contract.StackSecurity)
	if _, ours := a.stacks[name]; ours || a.detectors == 0 {
		return nil
	}
	return []Finding{{Note, "account " + a.id, "has a GuardDuty detector already, and an account has only one",
		name + " must take it over, not make one; if another team owns it, agree with them before you deploy " + name}}
}

// stacks finds those that can't be deployed to now.
func stacks(cfg *config.Config, stages []config.Stage, a accountFacts) []Finding {
	var all []Finding
	for name, status := range a.stacks {
		if !concerns(cfg, stages, name) {
			continue
		}
		about := "stack " + name
		switch {
		case status == "REVIEW_IN_PROGRESS": // a change set that nobody executed
		case strings.HasSuffix(status, "_IN_PROGRESS"):
			all = append(all, Finding{Bad, about, "is being deployed: " + status, "wait until it is done"})
		case status == "ROLLBACK_COMPLETE" || status == "ROLLBACK_FAILED" || status == "CREATE_FAILED":
			all = append(all, Finding{Bad, about, "was never made: " + status, "read its events, then: aws cloudformation delete-stack --stack-name " + name})
		case status == "UPDATE_ROLLBACK_FAILED":
			all = append(all, Finding{Bad, about, "is stuck between two versions: " + status, "mend the cause, then: aws cloudformation continue-update-rollback --stack-name " + name})
		case status == "DELETE_FAILED":
			all = append(all, Finding{Bad, about, "is half deleted: " + status, "read its events, and delete it again"})
		}
	}
	slices.SortFunc(all, func(a, b Finding) int { return strings.Compare(a.About, b.About) })
	return all
}

// concerns says whether a stack is one that the deployment touches: those of the stages, or what all share.
func concerns(cfg *config.Config, stages []config.Stage, name string) bool {
	for _, shared := range []string{contract.StackRegistry, contract.StackDNS, contract.StackSecurity} {
		if name == contract.PlatformStack(cfg.Platform, shared) {
			return true
		}
	}
	for _, stage := range stages {
		for _, part := range []string{contract.PartNetwork, contract.PartData, contract.PartCluster, contract.PartService, contract.StackDNS} {
			if name == contract.StageStack(cfg.Platform, stage.Name, part) {
				return true
			}
		}
	}
	return false
}

func delegation(cfg *config.Config, z zone) Finding {
	about := "zone " + z.name
	parent := "the domain's registrar"
	if z.name != cfg.Domain {
		parent = "the zone " + cfg.Domain + "; the stage's DNS stack does that when it is deployed"
	}
	switch {
	case z.problem != "":
		return Finding{Note, about, "not checked: " + z.problem, "look whether its NS records are the zone's name servers"}
	case !z.exists:
		return Finding{Note, about, "isn't there yet", "the DNS stack makes it and then waits until " + parent + " has its name servers"}
	case z.public == nil:
		return Finding{Note, about, "not checked: the local AWS is no public DNS; the zone is there", ""}
	case !slices.Equal(z.servers, z.public):
		return Finding{Bad, about, fmt.Sprintf("is served by %s, but the public DNS names %s", strings.Join(z.servers, " "), orNobody(z.public)),
			"enter the zone's name servers at " + parent}
	}
	return Finding{Good, about, "is delegated", ""}
}

func orNobody(names []string) string {
	if len(names) == 0 {
		return "nobody"
	}
	return strings.Join(names, " ")
}
