package config

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits that refuse what is no configuration before the YAML parser sees it: its time and memory grow with the square
// of the nesting, up to all there is.
const (
	maxFileBytes = 64 << 10
	maxNesting   = 16 // levels of brackets, and of what begins in one line
)

// document is a decoded file and what is known about its keys. It fills a struct from the YAML tree itself rather than
// through the library's decoder, which stops at the first fault.
type document struct {
	file    string
	lines   map[string]int      // path → line, of every key in the file
	set     map[string]bool     // paths with a value; null counts as left out
	bad     map[string]bool     // paths that already have a fault, so that no second one follows from it
	anchors map[string]ast.Node // YAML anchors seen so far
	faults  Faults
}

// fault notes a fault at path, unless the path or one that holds it has one already.
func (d *document) fault(path, got, want string) {
	for p := path; ; p = parent(p) {
		if d.bad[p] {
			return
		}
		if p == "" {
			break
		}
	}
	d.bad[path] = true
	d.faults = append(d.faults, Fault{File: d.file, Line: d.line(path), Path: path, Got: got, Want: want})
}

// line is the line of path, or of the nearest path that holds it.
func (d *document) line(path string) int {
	for ; path != ""; path = parent(path) {
		if n, ok := d.lines[path]; ok {
			return n
		}
	}
	return max(1, d.lines[""])
}

// decode reads YAML into cfg. The faults are in the document.
func decode(file string, data []byte, cfg *Config) *document {
	d := &document{
		file: file, lines: map[string]int{}, set: map[string]bool{}, bad: map[string]bool{}, anchors: map[string]ast.Node{},
	}
	if len(data) > maxFileBytes {
		d.fault("", fmt.Sprintf("%d bytes", len(data)), fmt.Sprintf("a configuration of at most %d", maxFileBytes))
		return d
	}
	tree, err := parse(data)
	if deep := (*nestingError)(nil); errors.As(err, &deep) {
		d.lines[""] = deep.line
		d.fault("", fmt.Sprintf("more than %d levels in each other", maxNesting), "the keys that README.md lists")
		return d
	}
	if err != nil {
		d.syntax(err)
		return d
	}
	var body ast.Node
	for _, doc := range tree.Docs {
		switch {
		case doc.Body == nil || doc.Body.Type() == ast.NullType || doc.Body.Type() == ast.CommentType:
		case body != nil:
			d.lines[""] = lineOf(doc.Body)
			d.fault("", "a second YAML document", "one document in the file")
			return d
		default:
			body = doc.Body
		}
	}
	if body == nil {
		d.fault("", "an empty file", "the configuration; README.md lists its keys")
		return d
	}
	d.value(body, reflect.ValueOf(cfg).Elem(), "")
	return d
}

// parse turns a panic of the YAML parser into an error: the file is outside input, whatever it holds.
func parse(data []byte) (tree *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the YAML parser can't read this file: %v", r)
		}
	}()
	tokens := lexer.Tokenize(string(data))
	if err := checkNesting(tokens); err != nil {
		return nil, err
	}
	// Duplicate keys are let through here, so that each is reported with all other faults.
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

// nestingError is a file that nests deeper than any configuration does.
type nestingError struct{ line int }

func (e *nestingError) Error() string { return fmt.Sprintf("line %d nests too deeply", e.line) }

func checkNesting(tokens token.Tokens) error {
	brackets, line, inLine := 0, 0, 0
	for _, tk := range tokens {
		if tk.Position.Line != line {
			line, inLine = tk.Position.Line, 0
		}
		switch tk.Type {
		case token.SequenceStartType, token.MappingStartType:
			brackets++
		case token.SequenceEndType, token.MappingEndType:
			brackets = max(0, brackets-1)
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType:
			inLine++
		}
		if brackets > maxNesting || inLine > maxNesting {
			return &nestingError{line}
		}
	}
	return nil
}

func (d *document) syntax(err error) {
	fault := Fault{File: d.file, Line: 1, Got: "a YAML syntax error (" + err.Error() + ")", Want: "valid YAML"}
	var located yaml.Error
	if errors.As(err, &located) {
		fault.Got = "a YAML syntax error (" + located.GetMessage() + ")"
		if tk := located.GetToken(); tk != nil && tk.Position != nil {
			fault.Line = tk.Position.Line
			fault.Excerpt = excerpt(located)
		}
	}
	d.bad[""] = true
	d.faults = append(d.faults, fault)
}

// excerpt is the source around an error, without the first line, which repeats the message.
func excerpt(err yaml.Error) (text string) {
	defer func() {
		if recover() != nil { // the printer doesn't expect every token that the parser stumbles on
			text = ""
		}
	}()
	_, text, _ = strings.Cut(err.FormatError(false, true), "\n")
	return strings.TrimRight(text, "\n")
}

var (
	prefixType   = reflect.TypeFor[netip.Prefix]()
	durationType = reflect.TypeFor[Duration]()
)

// value decodes one node. The line of path is known by then.
func (d *document) value(n ast.Node, v reflect.Value, path string) {
	n, ok := d.resolve(n, path)
	if !ok || n == nil {
		return
	}
	d.set[path] = true
	switch v.Type() {
	case prefixType:
		d.prefix(n, v, path)
		return
	case durationType:
		d.duration(n, v, path)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.object(n, v, path)
	case reflect.Map:
		d.mapping(n, v, path)
	case reflect.Slice:
		d.list(n, v, path)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), path)
	case reflect.String:
		if s, ok := d.text(n, path); ok {
			v.SetString(s)
		}
	case reflect.Int:
		d.integer(n, v, path)
	case reflect.Float64:
		d.number(n, v, path)
	case reflect.Bool:
		b, ok := n.(*ast.BoolNode)
		if !ok {
			d.fault(path, describe(n), "true or false")
			return
		}
		v.SetBool(b.Value)
	default:
		panic("config: no decoding of " + v.Type().String()) // a new kind of field; the first test finds it
	}
}

// resolve follows anchors and aliases. It gives nil for null, which counts as left out.
func (d *document) resolve(n ast.Node, path string) (ast.Node, bool) {
	for range 10 {
		switch node := n.(type) {
		case nil, *ast.NullNode, *ast.CommentGroupNode:
			return nil, true
		case *ast.AnchorNode:
			if node.Name != nil {
				d.anchors[node.Name.GetToken().Value] = node.Value
			}
			n = node.Value
		case *ast.AliasNode:
			name := ""
			if node.Value != nil {
				name = node.Value.GetToken().Value
			}
			target, ok := d.anchors[name]
			if !ok {
				d.fault(path, "the alias *"+name, "an anchor &"+name+" above it")
				return nil, false
			}
			n = target
		case *ast.TagNode:
			d.fault(path, "the YAML tag "+quote(node.Start.Value), "a value without a tag")
			return nil, false
		default:
			return n, true
		}
	}
	d.fault(path, "an alias of an alias of itself", "a value")
	return nil, false
}

// entries calls each for every key of a mapping that occurs for the first time.
func (d *document) entries(n ast.Node, path, want string, each func(key, path string, value ast.Node)) {
	m, ok := n.(ast.MapNode)
	if !ok {
		d.fault(path, describe(n), want)
		return
	}
	seen := map[string]int{}
	for it := m.MapRange(); it.Next(); {
		key := it.Key()
		if _, merge := key.(*ast.MergeKeyNode); merge {
			p := child(path, "<<")
			d.lines[p] = lineOf(key)
			d.fault(p, "a merge key", "the keys written out")
			continue
		}
		name := ""
		if s, ok := key.(*ast.StringNode); ok {
			name = s.Value
		} else if tk := key.GetToken(); tk != nil {
			name = tk.Value
		}
		p := child(path, name)
		if first, again := seen[name]; again {
			d.faults = append(d.faults, Fault{
				File: d.file, Line: lineOf(key), Path: p, Got: "the key a second time", Want: fmt.Sprintf("it once, as in line %d", first),
			})
			continue
		}
		seen[name] = lineOf(key)
		d.lines[p] = lineOf(key)
		each(name, p, it.Value())
	}
}

func (d *document) object(n ast.Node, v reflect.Value, path string) {
	fields := map[string]int{}
	var names []string
	for i := range v.NumField() {
		if name := v.Type().Field(i).Tag.Get("yaml"); name != "-" {
			fields[name] = i
			names = append(names, name)
		}
	}
	d.entries(n, path, "a mapping with the keys "+strings.Join(names, ", "), func(key, path string, value ast.Node) {
		i, ok := fields[key]
		if !ok {
			d.fault(path, "an unknown key", meant(key, names))
			return
		}
		d.value(value, v.Field(i), path)
	})
}

// meant names the keys that are allowed, and first the one that was probably meant.
func meant(key string, names []string) string {
	sorted := slices.Sorted(slices.Values(names))
	for _, name := range sorted {
		if strings.EqualFold(name, key) || distance(name, key) <= 2 {
			return name + " (or another of: " + strings.Join(sorted, ", ") + ")"
		}
	}
	return "one of " + strings.Join(sorted, ", ")
}

// distance is the number of letters to add, drop or change to turn a into b (Levenshtein); 99 for very long words.
func distance(a, b string) int {
	if len(b) > 40 {
		return 99
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

func (d *document) mapping(n ast.Node, v reflect.Value, path string) {
	v.Set(reflect.MakeMap(v.Type()))
	d.entries(n, path, "a mapping of names to values", func(key, path string, value ast.Node) {
		element := reflect.New(v.Type().Elem()).Elem()
		d.value(value, element, path)
		v.SetMapIndex(reflect.ValueOf(key), element)
	})
}

func (d *document) list(n ast.Node, v reflect.Value, path string) {
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		d.fault(path, describe(n), "a list")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(s.Values), len(s.Values)))
	for i, value := range s.Values {
		p := item(path, i)
		d.lines[p] = max(lineOf(value), d.line(path))
		d.value(value, v.Index(i), p)
		if !d.set[p] {
			d.fault(p, "nothing", "a value, or no element here")
		}
	}
}

// text takes strings only. What YAML reads as a number must be quoted: 012345678901 would be octal.
func (d *document) text(n ast.Node, path string) (string, bool) {
	switch node := n.(type) {
	case *ast.StringNode:
		plain := node.Token.Type == token.StringType
		if plain && digits(node.Value) {
			d.unquoted(node.Value, path)
			return "", false
		}
		return node.Value, true
	case *ast.LiteralNode:
		return node.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		d.unquoted(n.GetToken().Value, path)
	default:
		d.fault(path, describe(n), "a string")
	}
	return "", false
}

func (d *document) unquoted(written, path string) {
	want := fmt.Sprintf("a string in quotes: %q", written)
	if digits(written) && written[0] == '0' {
		want += "; without them YAML may read digits that begin with 0 as an octal number and change them"
	}
	d.fault(path, written+" without quotes", want)
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func (d *document) integer(n ast.Node, v reflect.Value, path string) {
	if node, ok := n.(*ast.IntegerNode); ok {
		written := node.Token.Value
		number, err := strconv.Atoi(written)
		// The round trip refuses what YAML takes as well: 0x10, 010 (octal), 1_000, +1.
		if err == nil && strconv.Itoa(number) == written && number >= math.MinInt32 && number <= math.MaxInt32 {
			v.SetInt(int64(number))
			return
		}
	}
	d.fault(path, describe(n), "a whole number in plain digits, without quotes or leading zeros")
}

// plainNumber is how a number may be written: no sign, no exponent, no leading zeros.
var plainNumber = regexp.MustCompile(`^(0|[1-9][0-9]{0,8})(\.[0-9]{1,9})?$`)

func (d *document) number(n ast.Node, v reflect.Value, path string) {
	switch n.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
		if written := n.GetToken().Value; plainNumber.MatchString(written) {
			if number, err := strconv.ParseFloat(written, 64); err == nil {
				v.SetFloat(number)
				return
			}
		}
	}
	d.fault(path, describe(n), "a number in plain digits, such as 0.05, without quotes")
}

func (d *document) duration(n ast.Node, v reflect.Value, path string) {
	const want = "a duration in hours and minutes, such as 48h or 1h30m"
	s, ok := n.(*ast.StringNode)
	if !ok {
		d.fault(path, describe(n), want)
		return
	}
	parsed, err := time.ParseDuration(s.Value)
	if err != nil {
		d.fault(path, quote(s.Value), want)
		return
	}
	v.SetInt(int64(parsed))
}

func (d *document) prefix(n ast.Node, v reflect.Value, path string) {
	const want = "an IPv4 network, such as 10.0.0.0/16"
	s, ok := n.(*ast.StringNode)
	if !ok {
		d.fault(path, describe(n), want)
		return
	}
	parsed, err := netip.ParsePrefix(s.Value)
	if err != nil || !parsed.Addr().Is4() {
		d.fault(path, quote(s.Value), want)
		return
	}
	v.Set(reflect.ValueOf(parsed))
}

// describe says what a node is, for "got …".
func describe(n ast.Node) string {
	switch node := n.(type) {
	case *ast.StringNode:
		if node.Value == "" {
			return "an empty string"
		}
		return quote(node.Value)
	case *ast.LiteralNode:
		return "a block of text"
	case *ast.SequenceNode:
		return "a list"
	case ast.MapNode:
		return "a mapping"
	}
	if tk := n.GetToken(); tk != nil {
		return strings.Trim(quote(tk.Value), `"`)
	}
	return "something else"
}

func lineOf(n ast.Node) int {
	if n == nil {
		return 1
	}
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 {
		return lineOf(m.Values[0].Key)
	}
	if tk := n.GetToken(); tk != nil && tk.Position != nil {
		return tk.Position.Line
	}
	return 1
}
