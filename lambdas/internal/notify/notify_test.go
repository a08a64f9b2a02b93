package notify

import (
	"context"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"pgregory.net/rapid"

	"slipway/lambdas/internal/fakeaws"
)

// SNS takes a subject of 1 to 100 printable ASCII characters and at most 256 KiB in all.
func TestEveryMessageFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		subject := rapid.OneOf(rapid.String(), rapid.Just(strings.Repeat("x", 300))).Draw(t, "subject")
		body := strings.Repeat(rapid.String().Draw(t, "body"), rapid.SampledFrom([]int{0, 1, 300_000}).Draw(t, "times"))
		s, b := Fit(subject, body)
		if s == "" || len(s) > 100 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Fatalf("subject %q", s)
		}
		if b == "" || len(s)+len(b) > 256<<10 || !utf8.ValidString(b) {
			t.Fatalf("body of %d bytes", len(b))
		}
	})
}

func TestSend(t *testing.T) {
	c := fakeaws.New()
	topic := fakeaws.NewSNS(c)
	client := sns.NewFromConfig(c.Config())
	c.Fail("sns:Publish", fakeaws.Throttled())
	if err := Send(context.Background(), client, topic.Topic, "Ünïcode", "body"); err != nil {
		t.Fatal(err)
	}
	if len(topic.Messages) != 1 || topic.Messages[0].Subject != "?n?code" || topic.Messages[0].Body != "body" {
		t.Errorf("%v", topic.Messages)
	}
	c.Fail("sns:Publish", fakeaws.Denied())
	if err := Send(context.Background(), client, topic.Topic, "x", "y"); err == nil || !strings.Contains(err.Error(), topic.Topic) {
		t.Errorf("%v", err)
	}
	c.CheckNoMistakes(t)
}
