package contract

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

const maxTagValue = 256 // characters, in ECS and most of AWS

// TagValue makes a legal tag value of any string: letters and digits of any script, spaces and + - = . _ : / @ stay,
// each other character becomes an underscore. It has no space at either end, doesn't begin with "aws:" in any case,
// which AWS keeps for itself, and is at most 256 characters.
func TagValue(s string) string {
	var b strings.Builder
	for _, r := range s {
		legal := unicode.IsLetter(r) || unicode.IsNumber(r) || strings.ContainsRune(" +-=._:/@", r)
		if r == utf8.RuneError || !legal {
			r = '_'
		}
		b.WriteRune(r)
	}
	value := strings.Trim(b.String(), " ")
	if len(value) >= 4 && strings.EqualFold(value[:4], "aws:") {
		value = value[:3] + "_" + value[4:]
	}
	// AWS doesn't say whether a character outside the Basic Multilingual Plane is one or two; counting two is safe.
	length := 0
	for i, r := range value {
		length += utf16.RuneLen(r)
		if length > maxTagValue {
			value = value[:i]
			break
		}
	}
	return strings.TrimRight(value, " ")
}

const expiryLayout = "2006-01-02T15:04:05Z"

// FormatExpiry writes the end of a lease as the tag slipway:expires has it: RFC 3339, in UTC, whole seconds. A fraction
// is cut off.
func FormatExpiry(t time.Time) string { return t.UTC().Format(expiryLayout) }

// ParseExpiry reads what FormatExpiry writes and nothing else: a date alone, an offset, a fraction of a second or a
// space is an error, for a lease that could be read in two ways must not end anything.
func ParseExpiry(s string) (time.Time, error) {
	t, err := time.Parse(expiryLayout, s)
	// time.Parse takes a fraction and a one-digit hour that the layout doesn't have.
	if err != nil || FormatExpiry(t) != s {
		return time.Time{}, fmt.Errorf("expiry %q: not RFC 3339 in UTC with whole seconds; write it as 2026-01-31T18:00:00Z", shortened(s))
	}
	return t, nil
}
