package decide

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"slipway/lambdas/internal/fakeaws"
)

// What AWS's reference shows, with our values; the keys and the nesting are its own.
const reference = `{
  "version": 0.0,
  "Resources": [
    {
      "TargetService": {
        "Type": "AWS::ECS::Service",
        "Properties": {
          "TaskDefinition": "arn:aws:ecs:eu-west-1:111111111111:task-definition/simple-flask-app:42",
          "LoadBalancerInfo": {"ContainerName": "app", "ContainerPort": 8080},
          "PlatformVersion": "1.4.0",
          "CapacityProviderStrategy": [{"Base": 0, "CapacityProvider": "FARGATE", "Weight": 1}]
        }
      }
    }
  ],
  "Hooks": [
    {"BeforeInstall": "arn:aws:lambda:eu-west-1:111111111111:function:a"},
    {"AfterAllowTestTraffic": "arn:aws:lambda:eu-west-1:111111111111:function:b"}
  ]
}`

func TestAppSpecIsAsDocumented(t *testing.T) {
	spec, err := BuildAppSpec(Wish{
		TaskDefinition: revision, ContainerName: "app", ContainerPort: 8080, CapacityProvider: "FARGATE", PlatformVersion: "1.4.0",
		Hooks: map[string]string{
			"AfterAllowTestTraffic": "arn:aws:lambda:eu-west-1:111111111111:function:b", "BeforeInstall": "arn:aws:lambda:eu-west-1:111111111111:function:a",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := json.Unmarshal([]byte(spec.Content), &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(reference), &want); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %s", spec.Content)
	}
}

// names draws strings that need escaping in JSON as well.
func names() *rapid.Generator[string] {
	return rapid.OneOf(rapid.StringMatching(`[a-zA-Z0-9_-]{1,40}`), rapid.StringN(1, 40, -1))
}

func wishes() *rapid.Generator[Wish] {
	return rapid.Custom(func(t *rapid.T) Wish {
		w := Wish{
			TaskDefinition:   fmt.Sprintf("arn:aws:ecs:eu-west-1:111111111111:task-definition/%s:%d", rapid.StringMatching(`[A-Za-z0-9_-]{1,255}`).Draw(t, "family"), rapid.IntRange(1, 1e6).Draw(t, "revision")),
			ContainerName:    names().Draw(t, "container"),
			ContainerPort:    rapid.IntRange(1, 65535).Draw(t, "port"),
			CapacityProvider: rapid.SampledFrom([]string{"", "FARGATE", "FARGATE_SPOT", `"}`}).Draw(t, "provider"),
			PlatformVersion:  rapid.SampledFrom([]string{"", "LATEST", "1.4.0"}).Draw(t, "platform"),
			Hooks:            map[string]string{},
			Timeout:          time.Duration(rapid.IntRange(1, 50).Draw(t, "timeout")) * time.Minute,
		}
		for _, event := range Lifecycle {
			if rapid.Bool().Draw(t, event) {
				w.Hooks[event] = "arn:aws:lambda:eu-west-1:111111111111:function:" + rapid.StringMatching(`[A-Za-z0-9_-]{1,64}`).Draw(t, "function")
			}
		}
		return w
	})
}

// read is the other way: the wish that an AppSpec describes.
func read(t *rapid.T, content string) Wish {
	var d struct {
		Resources []struct {
			TargetService struct {
				Properties struct {
					TaskDefinition   string
					PlatformVersion  string
					LoadBalancerInfo struct {
						ContainerName string
						ContainerPort int
					}
					CapacityProviderStrategy []struct {
						CapacityProvider string
						Base, Weight     int
					}
				}
			}
		}
		Hooks []map[string]string
	}
	if err := json.Unmarshal([]byte(content), &d); err != nil {
		t.Fatal(err)
	}
	p := d.Resources[0].TargetService.Properties
	w := Wish{
		TaskDefinition: p.TaskDefinition, PlatformVersion: p.PlatformVersion, Hooks: map[string]string{},
		ContainerName: p.LoadBalancerInfo.ContainerName, ContainerPort: p.LoadBalancerInfo.ContainerPort,
	}
	for _, s := range p.CapacityProviderStrategy {
		if s.Weight != 1 || s.Base != 0 {
			t.Fatalf("weight %d, base %d: all tasks must go to the one provider", s.Weight, s.Base)
		}
		w.CapacityProvider = s.CapacityProvider
	}
	last := -1
	for _, hook := range d.Hooks {
		for event, function := range hook {
			w.Hooks[event] = function
			for i, name := range Lifecycle {
				if name == event && i <= last {
					t.Fatal("the hooks aren't in the order of the lifecycle")
				} else if name == event {
					last = i
				}
			}
		}
	}
	return w
}

func TestAppSpecOfAnyWish(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := wishes().Draw(t, "wish")
		spec, err := BuildAppSpec(w)
		if err != nil {
			t.Fatal(err)
		}
		if err := fakeaws.CheckAppSpec(spec.Content); err != nil {
			t.Fatalf("%v: %s", err, spec.Content)
		}
		sum := sha256.Sum256([]byte(spec.Content))
		if spec.SHA256 != hex.EncodeToString(sum[:]) {
			t.Fatal("another hash")
		}
		got := read(t, spec.Content)
		got.Timeout = w.Timeout
		if !reflect.DeepEqual(got, w) {
			t.Fatalf("got %+v, want %+v", got, w)
		}
		again, err := BuildAppSpec(got)
		if err != nil || again != spec {
			t.Fatalf("the same wish gives %+v, then %+v (%v)", spec, again, err)
		}
	})
}

func TestLongestFamilyFitsIntoADescription(t *testing.T) {
	m := NewMark("stack", "Rollout", "r-1")
	d := m.Describe("arn:aws:ecs:eu-west-1:111111111111:task-definition/" + strings.Repeat("x", 255) + ":123456")
	if len(d) != 100 || !m.own(Deployment{Description: d}) {
		t.Errorf("%d characters: %s", len(d), d)
	}
}

func TestDescriptionsFitAndFindTheirOwn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stack, logical, request := names().Draw(t, "stack"), names().Draw(t, "logical"), names().Draw(t, "request")
		other := names().Draw(t, "other")
		m := NewMark(stack, logical, request)
		d := Deployment{Description: m.Describe(wishes().Draw(t, "wish").TaskDefinition)}
		if len(d.Description) > 100 {
			t.Fatalf("%d characters: %s", len(d.Description), d.Description)
		}
		if !m.own(d) || !NewMark(stack, logical, request).own(d) || m.superseded(d) {
			t.Fatal("not found again")
		}
		if later := NewMark(stack, logical, other); other != request && (later.own(d) || !later.superseded(d)) {
			t.Fatal("another request of the same resource")
		}
		if alien := NewMark(stack, other, request); other != logical && (alien.own(d) || alien.superseded(d)) {
			t.Fatal("another resource")
		}
		d.Rollback = true
		if m.own(d) || NewMark(stack, logical, other).superseded(d) {
			t.Fatal("a rollback is nobody's")
		}
	})
}
