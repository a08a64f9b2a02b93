package decide

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"slipway/internal/contract"
)

// Wish is what the stack asks for.
type Wish struct {
	Setting string // one of the contract's settings
	Memory  string // SSM parameter
	Desired State
}

var parameterPattern = regexp.MustCompile(`^(/[a-zA-Z0-9_.-]+){1,15}$`)

// Parse reads the properties and reports all that is wrong with them at once.
func Parse(properties map[string]string) (Wish, error) {
	w := Wish{Setting: properties[contract.PropertySetting], Memory: properties[contract.PropertyMemory]}
	known := map[string]bool{contract.PropertySetting: true, contract.PropertyMemory: true, contract.PropertyDesired: true}
	var faults []error
	for name := range properties {
		if !known[name] {
			faults = append(faults, fmt.Errorf("there is no property %s", name))
		}
	}
	if w.Setting == "" {
		faults = append(faults, fmt.Errorf("%s is empty; name a setting", contract.PropertySetting))
	}
	if !parameterPattern.MatchString(w.Memory) {
		faults = append(faults, fmt.Errorf("%s is %q; give it the name of an SSM parameter", contract.PropertyMemory, w.Memory))
	}
	if err := json.Unmarshal([]byte(properties[contract.PropertyDesired]), &w.Desired); err != nil || len(w.Desired) == 0 {
		faults = append(faults, fmt.Errorf("%s is %q; give it a JSON object of strings", contract.PropertyDesired, properties[contract.PropertyDesired]))
	}
	for key := range w.Desired {
		if key == "" || strings.HasPrefix(key, "@") {
			faults = append(faults, fmt.Errorf("%s has the key %q", contract.PropertyDesired, key))
		}
	}
	return w, errors.Join(faults...)
}
