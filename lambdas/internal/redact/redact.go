// Package redact takes what looks like a credential out of text that people and logs get to see. It is a safety net, not a
// licence to log secrets.
package redact

import (
	"regexp"
	"strings"
	"unicode"
)

// Mark stands where a credential was.
const Mark = "[redacted]"

// A value ends where a sentence, a query string or a JSON document goes on.
const value = `(?:\\"(?:[^"\\]|\\[^"])*(?:\\")?|"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|[^\s"',;&)}\]]+)`

var (
	pem    = regexp.MustCompile(`(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\z)`)
	header = regexp.MustCompile(`(?i)\b((?:proxy-)?authorization|(?:set-)?cookie)(["']?\s*[:=]\s*)[^\r\n]+`)
	// The name may be part of a longer one, such as DB_PASSWORD or x-api-key. What comes before isn't in the pattern: it stays
	// as it is, and looking for it would cost quadratic time.
	named  = regexp.MustCompile(`(?i)((?:passw(?:or)?d|pwd|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential|signature)[a-z0-9_.-]{0,40})(\\?["']?\s*(?:=>|[:=])\s*)` + value)
	bearer = regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}`)
	userAt = regexp.MustCompile(`(://[^\s/:@]*):[^\s/]*@`)
	jwt    = regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?`)
	keyID  = regexp.MustCompile(`\b(?:AKIA|ASIA)[A-Z0-9]{16}\b`)
)

// Text replaces private keys, authorization and cookie headers, values of names such as password=, secret: or token=,
// passwords in addresses, JSON Web Tokens and AWS access key IDs.
func Text(s string) string {
	s = pem.ReplaceAllString(s, Mark)
	s = header.ReplaceAllString(s, "$1$2"+Mark)
	s = named.ReplaceAllString(s, "$1$2"+Mark)
	s = bearer.ReplaceAllString(s, "$1 "+Mark)
	s = userAt.ReplaceAllString(s, "$1:"+Mark+"@")
	s = jwt.ReplaceAllString(s, Mark)
	return keyID.ReplaceAllString(s, Mark)
}

// Line is Text on one line of at most limit characters: control characters, such as those that colour a terminal, are
// spaces. The cut comes last, for half a credential looks like none.
func Line(s string, limit int) string {
	// Of a long text only the part that may show is looked at, without the word at its end, which may be half a credential.
	if most := 8*limit + 4096; len(s) > most {
		s = s[:most]
		if i := strings.LastIndexAny(s, " \n\t"); i > 0 {
			s = s[:i]
		}
	}
	s = Text(s)
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	if runes := []rune(s); len(runes) > limit {
		return string(runes[:limit]) + "…"
	}
	return s
}
