// Package record keeps one SSM parameter for each failed deployment: the proof that its message was sent, and what people
// read later.
package record

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"slipway/lambdas/rollbackresponder/decide"
)

// SSM holds the parameters.
type SSM interface {
	GetParameter(context.Context, *ssm.GetParameterInput, ...func(*ssm.Options)) (*ssm.GetParameterOutput, error)
	PutParameter(context.Context, *ssm.PutParameterInput, ...func(*ssm.Options)) (*ssm.PutParameterOutput, error)
}

// Record is the parameter's value.
type Record struct {
	Message    string           `json:"message"` // pending or sent
	Owner      string           `json:"owner"`   // the invocation that sends it; the same in each retry by Lambda
	At         time.Time        `json:"at"`
	Deployment string           `json:"deployment"`
	Diagnosis  decide.Diagnosis `json:"diagnosis"`
}

const (
	pending = "pending"
	sent    = "sent"

	// takeover is when a message that is still pending is somebody else's to send: its owner and all its retries, which
	// Lambda makes within minutes, are dead.
	takeover = 15 * time.Minute

	maxValue = 4096 // characters of a standard parameter
	maxWhy   = 6    // causes
	maxText  = 400  // characters of each text
)

// Ledger is the records of one service.
type Ledger struct {
	SSM    SSM
	Prefix string // path of the parameters
}

// Claim says whether the caller is to send the message. Of several that ask for one key at once, SSM lets one create the
// parameter. With an error it isn't known whether a message went out; sending one twice is better than never.
func (l Ledger) Claim(ctx context.Context, key string, r Record) (bool, error) {
	r.Message = pending
	err := l.put(ctx, key, r, false)
	var exists *ssmtypes.ParameterAlreadyExists
	switch {
	case err == nil:
		return true, nil
	case !errors.As(err, &exists):
		return true, err
	}
	out, err := l.SSM.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String(l.name(key))})
	if err != nil {
		return true, fmt.Errorf("read %s: %w", l.name(key), err)
	}
	var there Record
	if out.Parameter == nil || json.Unmarshal([]byte(aws.ToString(out.Parameter.Value)), &there) != nil {
		return true, fmt.Errorf("read %s: it isn't a record", l.name(key))
	}
	switch {
	case there.Message == sent:
		return false, nil
	case there.Owner == r.Owner: // the same invocation once more, or this call's own write whose answer got lost
		return true, nil
	}
	return r.At.Sub(there.At) > takeover, nil
}

// Sent records that the message is out.
func (l Ledger) Sent(ctx context.Context, key string, r Record) error {
	r.Message = sent
	return l.put(ctx, key, r, true)
}

func (l Ledger) name(key string) string { return l.Prefix + "/" + key }

func (l Ledger) put(ctx context.Context, key string, r Record, overwrite bool) error {
	_, err := l.SSM.PutParameter(ctx, &ssm.PutParameterInput{
		Name: aws.String(l.name(key)), Value: aws.String(encode(r)), Type: ssmtypes.ParameterTypeString, Tier: ssmtypes.ParameterTierStandard,
		Overwrite: &overwrite, Description: aws.String("A deployment that failed"),
	})
	if err != nil {
		return fmt.Errorf("write %s: %w", l.name(key), err)
	}
	return nil
}

// encode makes a value that SSM takes: not too long, and without {{, which would refer to another parameter.
func encode(r Record) string {
	r.Diagnosis.Why = append([]string(nil), r.Diagnosis.Why...)
	limit := maxText
	for {
		short := r
		short.Owner, short.Deployment = fit(r.Owner, limit), fit(r.Deployment, limit)
		short.Diagnosis = decide.Diagnosis{What: fit(r.Diagnosis.What, limit), Done: fit(r.Diagnosis.Done, limit), Why: []string{}}
		for _, why := range r.Diagnosis.Why[:min(len(r.Diagnosis.Why), maxWhy)] {
			short.Diagnosis.Why = append(short.Diagnosis.Why, fit(why, limit))
		}
		body, err := json.Marshal(short)
		if err == nil && len(body) <= maxValue || limit == 0 {
			return string(body)
		}
		limit /= 2 // escaped characters take more room; at the end the texts are empty, and the rest always fits
	}
}

func fit(s string, limit int) string {
	s = strings.ToValidUTF8(s, "?")
	for strings.Contains(s, "{{") {
		s = strings.ReplaceAll(s, "{{", "{ {")
	}
	if runes := []rune(s); len(runes) > limit {
		return string(runes[:limit])
	}
	return s
}
