package main

import "testing"

func TestEveryCommandHasItsOwnNameAndASummary(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range commands.Commands {
		if c.Name == "" || c.Summary == "" || c.Run == nil || seen[c.Name] {
			t.Errorf("command %+v is incomplete or there twice", c.Name)
		}
		seen[c.Name] = true
	}
}
