package e2e

import (
	"slices"
	"strings"
	"testing"
)

// giveAccountSettings makes the account one that somebody has used before, and remembers how it was.
func giveAccountSettings(t *testing.T, w *world) {
	t.Helper()
	check(t, w.aws.GiveAccountSettings(t.Context()))
	before, err := w.aws.AccountSettings(t.Context())
	check(t, err)
	w.accountBefore = before
}

// wantBaseline checks that the account's own detector and policy were adopted and are as the baseline asks.
func wantBaseline(t *testing.T, w *world) {
	t.Helper()
	got, err := w.aws.AccountSettings(t.Context())
	check(t, err)
	want := []string{
		"passwords: 14 characters, 90 days, 24 earlier, symbols true",
		"new volumes encrypted: true",
		"new instances' tokens: required",
		"analyzers: 1",
	}
	if len(got) != len(want)+1 || !slices.Equal(got[:len(want)], want) {
		t.Errorf("the account has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		return
	}
	id, _, _ := strings.Cut(w.accountBefore[len(want)], ":")
	if detector := id + ": FIFTEEN_MINUTES, EBS_MALWARE_PROTECTION LAMBDA_NETWORK_LOGS RDS_LOGIN_EVENTS RUNTIME_MONITORING S3_DATA_EVENTS"; got[len(want)] != detector {
		t.Errorf("%s\nwant %s", got[len(want)], detector)
	}
}

// wantAccountAsBefore checks that the baseline's removal restored the account.
func wantAccountAsBefore(t *testing.T, w *world) {
	t.Helper()
	got, err := w.aws.AccountSettings(t.Context())
	check(t, err)
	if !slices.Equal(got, w.accountBefore) {
		t.Errorf("the account has\n%s\nit had\n%s", strings.Join(got, "\n"), strings.Join(w.accountBefore, "\n"))
	}
}
