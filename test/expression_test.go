package test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// event is what GitHub's contexts hold for one trigger: dotted path → value. What isn't there is null.
type event map[string]any

var expression = regexp.MustCompile(`\$\{\{(.*?)\}\}`)

// render fills in the expressions of a text.
func (e event) render(t *testing.T, text string) string {
	t.Helper()
	return expression.ReplaceAllStringFunc(text, func(found string) string {
		value := e.evaluate(t, expression.FindStringSubmatch(found)[1])
		if value == nil {
			return ""
		}
		return fmt.Sprint(value)
	})
}

// evaluate computes an expression of those that the workflows use: paths, 'texts', == != && || and brackets. && and || give
// one of their operands, as GitHub's do.
//
// https://docs.github.com/actions/reference/workflows-and-actions/expressions
func (e event) evaluate(t *testing.T, text string) any {
	t.Helper()
	p := &expressions{t: t, event: e, tokens: tokens.FindAllString(text, -1)}
	if rest := strings.TrimSpace(tokens.ReplaceAllString(text, "")); rest != "" {
		t.Fatalf("the expression %q has parts that this test doesn't know: %q", text, rest)
	}
	value := p.or()
	if len(p.tokens) > 0 {
		t.Fatalf("the expression %q goes on with %q", text, p.tokens)
	}
	return value
}

var tokens = regexp.MustCompile(`'[^']*'|\|\||&&|==|!=|[()]|[A-Za-z_][A-Za-z0-9_.-]*`)

type expressions struct {
	t      *testing.T
	event  event
	tokens []string
}

func (p *expressions) take(want string) bool {
	if len(p.tokens) > 0 && p.tokens[0] == want {
		p.tokens = p.tokens[1:]
		return true
	}
	return false
}

func truthy(v any) bool { return v != nil && v != false && v != "" }

func (p *expressions) or() any {
	value := p.and()
	for p.take("||") {
		if next := p.and(); !truthy(value) {
			value = next
		}
	}
	return value
}

func (p *expressions) and() any {
	value := p.equal()
	for p.take("&&") {
		if next := p.equal(); truthy(value) {
			value = next
		}
	}
	return value
}

// equal compares texts without regard to case, as GitHub does.
func (p *expressions) equal() any {
	value := p.atom()
	switch {
	case p.take("=="):
		return strings.EqualFold(fmt.Sprint(value), fmt.Sprint(p.atom()))
	case p.take("!="):
		return !strings.EqualFold(fmt.Sprint(value), fmt.Sprint(p.atom()))
	}
	return value
}

func (p *expressions) atom() any {
	if p.take("(") {
		value := p.or()
		if !p.take(")") {
			p.t.Fatal("a bracket isn't closed")
		}
		return value
	}
	if len(p.tokens) == 0 {
		p.t.Fatal("an expression ends too early")
	}
	token := p.tokens[0]
	p.tokens = p.tokens[1:]
	switch {
	case strings.HasPrefix(token, "'"):
		return strings.Trim(token, "'")
	case token == "true", token == "false":
		return token == "true"
	}
	return p.event[token]
}

func TestExpressionsAreEvaluatedAsGitHubDoes(t *testing.T) {
	e := event{"a": "x", "b": "", "c": "y", "yes": true}
	for text, want := range map[string]any{
		"a": "x", "b || c": "y", "a || c": "x", "missing || b || c": "y", "a && c": "y", "b && c": "", "missing": nil,
		"a == 'X'": true, "a != 'x'": false, "yes && (b || a == 'x')": true, "missing == 'null'": false, "false || a": "x",
	} {
		if got := e.evaluate(t, text); got != want {
			t.Errorf("%s is %v, want %v", text, got, want)
		}
	}
	if got := e.render(t, "qa-${{ b || c }}-${{missing}}"); got != "qa-y-" {
		t.Errorf("got %q", got)
	}
}
