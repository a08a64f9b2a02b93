package decide

import (
	"strconv"

	"slipway/internal/contract"
)

// Target says what a setting becomes, from what it was before the first change, what it is now, and what is asked for. Keys
// that aren't in it stay as they are.
type Target func(before, current, desired State) State

// Exactly is for settings that become what is asked for.
func Exactly(_, _, desired State) State { return desired }

// Strictest is for the password policy: nothing that was stricter before gets weaker.
func Strictest(before, _, desired State) State {
	to := Over(nil, desired)
	for key, value := range desired {
		old, there := before[key]
		if !there {
			continue
		}
		switch key {
		case contract.KeyMinimumLength, contract.KeyReuse:
			if number(old) > number(value) {
				to[key] = old
			}
		case contract.KeyMaxAge: // 0 is for ever
			if number(old) > 0 && (number(value) == 0 || number(old) < number(value)) {
				to[key] = old
			}
		default:
			if old == contract.On {
				to[key] = old
			}
		}
	}
	return to
}

func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// OthersOff is for the detector: a feature that nobody asked for is switched off, also one that AWS adds later.
func OthersOff(_, current, desired State) State {
	to := Over(nil, desired)
	for key := range current {
		feature, additional, ok := contract.ParseFeatureKey(key)
		if _, asked := desired[key]; !ok || asked {
			continue
		}
		// What belongs to a feature that is off has no effect.
		if additional == "" || desired[contract.FeatureKey(feature)] == contract.Enabled {
			to[key] = contract.Disabled
		}
	}
	return to
}

// Adopt is for things of which one is enough, whoever made it: what was there before stays as it is, but for the keys.
func Adopt(keys ...string) Target {
	return func(before, current, desired State) State {
		if before == nil || current == nil {
			return desired
		}
		to := State{}
		for _, key := range keys {
			if value, asked := desired[key]; asked {
				to[key] = value
			}
		}
		return to
	}
}
