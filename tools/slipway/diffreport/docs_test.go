package diffreport

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/internal/config"
	"slipway/internal/prices"
)

const root = "../../.."

// golden are the recorded templates of the shipped configuration whose names match.
func golden(t *testing.T, pattern string) map[string]Template {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "test", "testdata", "golden", pattern+".json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no template %s: %v", pattern, err)
	}
	templates := map[string]Template{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var template Template
		if err := json.Unmarshal(raw, &template); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		templates[filepath.Base(file)] = template
	}
	return templates
}

func whole(price float64) string { return fmt.Sprintf("%.0f", price) }

// madeOf is a stage's sum and its parts, as docs/operations.md has them.
func madeOf(t *testing.T, pattern string) (sum, parts string) {
	t.Helper()
	bill := monthly(golden(t, pattern))
	if len(bill.unknown) > 0 {
		t.Errorf("%s: without a price: %v", pattern, bill.unknown)
	}
	var named []string
	total, told := 0.0, 0.0
	for _, price := range bill.by {
		total += price
	}
	for _, part := range []struct {
		name  string
		kinds []string
	}{
		{"NAT", []string{"AWS::EC2::NatGateway", "AWS::EC2::EIP", "AWS::EC2::Instance"}},
		{"endpoints", []string{"AWS::EC2::VPCEndpoint"}},
		{"load balancer", []string{"AWS::ElasticLoadBalancingV2::LoadBalancer"}},
		{"web ACL", []string{"AWS::WAFv2::WebACL"}},
		{"alarms and dashboard", []string{"AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard"}},
		{"tasks", []string{"AWS::ECS::Service"}},
		{"database", []string{"AWS::RDS::DBInstance"}},
		{"keys and secrets", []string{"AWS::KMS::Key", "AWS::SecretsManager::Secret"}},
	} {
		price := 0.0
		for _, kind := range part.kinds {
			price += bill.by[kind]
		}
		if told += price; price > 0 {
			named = append(named, part.name+" "+whole(price))
		}
	}
	if total-told > 0.01 {
		t.Errorf("%s: %.2f of %.2f is in no part", pattern, total-told, total)
	}
	return whole(total), strings.Join(named, ", ")
}

// rows are the cells of the first table below a heading of a document, without its head.
func rows(t *testing.T, file, heading string) map[string][]string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(raw), "\n"+heading+"\n")
	if !found {
		t.Fatalf("%s has no %s", file, heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	_, table, _ := strings.Cut(section, "|---|\n")
	cells := map[string][]string{}
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "|") {
			break
		}
		parts := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range parts {
			parts[i] = strings.TrimSpace(parts[i])
		}
		cells[parts[0]] = parts[1:]
	}
	return cells
}

func compare(t *testing.T, file string, got map[string][]string, want map[string]string, free ...string) {
	t.Helper()
	for row, figure := range want {
		if cells := got[row]; len(cells) == 0 || cells[0] != figure {
			t.Errorf("%s: %q costs %v, the prices say %s", file, row, cells, figure)
		}
		delete(got, row)
	}
	for _, row := range free { // by use, or by what somebody leaves behind
		delete(got, row)
	}
	for row := range got {
		t.Errorf("%s: nothing says what %q should cost", file, row)
	}
}

// awake is the part of a week in which the shipped office hours let QA environments run.
func awake(t *testing.T) float64 {
	t.Helper()
	cfg, err := config.Load(filepath.Join(root, "platform.yaml"), config.Profile{})
	if err != nil {
		t.Fatal(err)
	}
	from, fromErr := time.Parse("15:04", cfg.QA.OfficeHours.From)
	until, untilErr := time.Parse("15:04", cfg.QA.OfficeHours.Until)
	if err := errors.Join(fromErr, untilErr); err != nil {
		t.Fatal(err)
	}
	return 5 * until.Sub(from).Hours() / (7 * 24)
}

// TestTheDocumentsHaveThePricesOfTheTable works each figure out again, from the table or from the recorded templates.
func TestTheDocumentsHaveThePricesOfTheTable(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "put together in "+prices.AsOf) {
		t.Errorf("README.md doesn't say that the prices are of %s", prices.AsOf)
	}
	const hours = prices.Hours
	gateway := (prices.NATGateway + prices.PublicAddress) * hours
	least, most := 1000.0, 0.0
	for _, stage := range []string{"dev", "stage", "prod"} {
		bill := monthly(golden(t, "slipway-"+stage+"-*"))
		price := bill.by["AWS::CloudWatch::Alarm"] + bill.by["AWS::CloudWatch::Dashboard"]
		least, most = min(least, price), max(most, price)
	}
	compare(t, "README.md", rows(t, "README.md", "## What it costs"), map[string]string{
		"NAT `instance`":                  whole(monthly(golden(t, "slipway-dev-network")).by["AWS::EC2::Instance"]),
		"NAT `one`":                       whole(gateway),
		"NAT `per-zone`":                  whole(3 * gateway),
		"Interface endpoints":             whole(3*prices.Endpoint*hours) + " each",
		"Load balancer, one a stage":      whole((prices.LoadBalancer + 3*prices.PublicAddress) * hours),
		"Web ACL, one a stage":            whole(prices.WebACL + 7*prices.WebACLRule),
		"Alarms and dashboard, one stage": whole(least) + " to " + whole(most),
		"Fargate task, 512/1024":          whole(prices.Task(512, 1024) * hours),
		"Fargate task, 1024/2048":         whole(prices.Task(1024, 2048) * hours),
		"Database t4g.micro, 20 GiB":      whole(prices.Databases["db.t4g.micro"]*hours + 20*prices.DatabaseGiB),
		"Database m7g.large, 100 GiB":     whole(prices.Databases["db.m7g.large"]*hours + 100*prices.DatabaseGiB),
		"Each KMS key, secret":            fmt.Sprintf("%.0f, %.2f", prices.Key, prices.Secret),
		"QA environment":                  whole(prices.Task(512, 1024)*hours*awake(t) + 2*prices.Secret),
	}, "Traces")

	operations := rows(t, "docs/operations.md", "## What it costs a month")
	want := map[string]string{}
	for row, pattern := range map[string]string{
		"a small stage like the shipped `dev`": "slipway-dev-*", "a stage like the shipped `stage`": "slipway-stage-*",
		"a stage like the shipped `prod`": "slipway-prod-*", "the QA stage itself": "slipway-qa-[ncds]*",
	} {
		sum, parts := madeOf(t, pattern)
		want[row] = sum
		if cells := operations[row]; len(cells) != 2 || cells[1] != parts {
			t.Errorf("docs/operations.md: %s is made of %v, the templates say %s", row, cells, parts)
		}
	}
	environment := monthly(golden(t, "slipway-qa-env-*")).by
	secrets, spot := environment["AWS::SecretsManager::Secret"], environment["AWS::ECS::Service"]
	want["a QA environment"] = whole(secrets+spot) + " to " + whole(secrets+spot/prices.SpotShare)
	want["the pipeline"] = whole(monthly(golden(t, "slipway-pipeline")).by["AWS::KMS::Key"]) + " and builds"
	compare(t, "docs/operations.md", operations, want, "a second Region", "another account", "promotion, rollback, hotfix", "after a teardown of retained stages")
}
