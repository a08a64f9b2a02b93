package test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestTheRegistryKeepsWhatWasPushed(t *testing.T) {
	stack := shippedAssembly(t).stack(t, "slipway-registry")
	repository := stack.one(t, "AWS::ECR::Repository")
	repository.want(t, "RepositoryName", "simple-flask-app")
	repository.want(t, "ImageTagMutability", "IMMUTABLE")
	repository.want(t, "ImageTagMutabilityExclusionFilters", nil) // no tag is an exception
	repository.want(t, "ImageScanningConfiguration.ScanOnPush", true)
	repository.want(t, "EncryptionConfiguration.EncryptionType", "KMS")
	// Stages that keep their data deploy from here, so the images stay too.
	repository.want(t, "EmptyOnDelete", false)
	if repository.DeletionPolicy != "Retain" || repository.UpdateReplacePolicy != "Retain" {
		t.Errorf("deletion %s, replacement %s, want both Retain", repository.DeletionPolicy, repository.UpdateReplacePolicy)
	}
	repository.want(t, "RepositoryPolicyText", nil) // one account needs no policy
}

func TestOldImagesExpire(t *testing.T) {
	repository := shippedAssembly(t).stack(t, "slipway-registry").one(t, "AWS::ECR::Repository")
	var policy struct {
		Rules []struct {
			Priority  int `json:"rulePriority"`
			Selection struct {
				TagStatus, CountType, CountUnit string
				CountNumber                     int
				TagPatternList                  []string
			} `json:"selection"`
			Action struct{ Type string } `json:"action"`
		} `json:"rules"`
	}
	if err := json.Unmarshal([]byte(fmt.Sprint(repository.at("LifecyclePolicy.LifecyclePolicyText"))), &policy); err != nil {
		t.Fatal(err)
	}
	if len(policy.Rules) != 2 {
		t.Fatalf("%d rules, want one for untagged and one for tagged images", len(policy.Rules))
	}
	untagged, tagged := policy.Rules[0], policy.Rules[1]
	if untagged.Selection.TagStatus != "untagged" || untagged.Selection.CountType != "sinceImagePushed" || untagged.Selection.CountUnit != "days" ||
		untagged.Selection.CountNumber != 7 || untagged.Action.Type != "expire" {
		t.Errorf("untagged images: %+v", untagged)
	}
	if tagged.Selection.TagStatus != "tagged" || tagged.Selection.CountType != "imageCountMoreThan" || tagged.Selection.CountNumber != 400 ||
		!slices.Equal(tagged.Selection.TagPatternList, []string{"*"}) || tagged.Action.Type != "expire" {
		t.Errorf("tagged images: %+v", tagged)
	}
	if untagged.Priority >= tagged.Priority {
		t.Errorf("priorities %d and %d", untagged.Priority, tagged.Priority)
	}
}

func TestOtherAccountsMayPullAndLookButNotPush(t *testing.T) {
	repository := must(t, several).stack(t, "slipway-registry").one(t, "AWS::ECR::Repository")
	statements := list(repository.at("RepositoryPolicyText.Statement"))
	if len(statements) != 1 {
		t.Fatalf("policy %s, want one statement", text(statements))
	}
	if at(statements[0], "Effect") != "Allow" {
		t.Errorf("effect %v", at(statements[0], "Effect"))
	}
	// The registry's own account, 111111111111, is ruled by IAM alone.
	var principals []string
	for _, principal := range list(at(statements[0], "Principal.AWS")) {
		principals = append(principals, strings.ReplaceAll(text(principal), `{"Ref":"AWS::Partition"}`, "aws"))
	}
	for i, account := range []string{"222222222222", "333333333333"} {
		if len(principals) != 2 || !strings.Contains(principals[i], account) || !strings.Contains(principals[i], ":root") {
			t.Fatalf("principals %v, want the accounts 222222222222 and 333333333333", principals)
		}
	}
	var actions []string
	for _, action := range list(at(statements[0], "Action")) {
		actions = append(actions, fmt.Sprint(action))
	}
	slices.Sort(actions)
	want := []string{"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:DescribeImageScanFindings", "ecr:DescribeImages", "ecr:GetDownloadUrlForLayer"}
	if !slices.Equal(actions, want) {
		t.Errorf("they may %v, want %v: a pull, and the image resolver's look", actions, want)
	}
}

// TestThePolicyMeetsTheResolver: across accounts both sides must allow the call.
func TestThePolicyMeetsTheResolver(t *testing.T) {
	for _, name := range []string{"slipway-dev-service", "slipway-qa-service", "slipway-stage-service", "slipway-prod-service"} {
		granted := policyActions(must(t, several).stack(t, name), "ImageResolverRole")
		if got := granted["ecr:DescribeImages"]; got != `"arn:aws:ecr:eu-west-1:111111111111:repository/simple-flask-app"` {
			t.Errorf("%s: the image resolver looks into %s", name, got)
		}
		for _, image := range must(t, several).stack(t, name).all("Custom::SlipwayImage") {
			image.want(t, "RegistryId", "111111111111") // the caller's own account is the default
		}
	}
}
