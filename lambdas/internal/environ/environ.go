// Package environ reads what a Lambda's environment variables say, strictly, and all that is wrong with them at once.
package environ

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Reader reads variables and keeps what is wrong with them.
type Reader struct {
	Get    func(string) string
	faults []error
}

// Required is a variable's value, which must not be empty and begins with the prefix, if one is given.
func (r *Reader) Required(name, prefix string) string {
	value := r.Get(name)
	if value == "" || !strings.HasPrefix(value, prefix) {
		want := "a value"
		if prefix != "" {
			want = "one that begins with " + prefix
		}
		r.Fault("%s is %q; give it %s", name, value, want)
	}
	return value
}

// Fault adds something that is wrong.
func (r *Reader) Fault(format string, args ...any) {
	r.faults = append(r.faults, fmt.Errorf(format, args...))
}

// Err is all that was wrong.
func (r *Reader) Err() error { return errors.Join(r.faults...) }

// Decode reads one JSON object and nothing else: an unknown key is an error, for it may be a misspelt one.
func Decode(text string, into any) error {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON object")
	}
	return nil
}
