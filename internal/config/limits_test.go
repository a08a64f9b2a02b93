package config

import (
	"slices"
	"testing"
)

// The table of the ECS documentation, "Amazon ECS task definition differences for Fargate".
func TestTheFargateTable(t *testing.T) {
	for _, c := range []struct{ cpu, least, most, count int }{
		{256, 512, 2048, 3},
		{512, 1024, 4096, 4},
		{1024, 2048, 8192, 7},
		{2048, 4096, 16384, 13},
		{4096, 8192, 30720, 23},
		{8192, 16384, 61440, 12},
		{16384, 32768, 122880, 12},
	} {
		memory := fargateMemory[c.cpu]
		if len(memory) != c.count || memory[0] != c.least || memory[len(memory)-1] != c.most || !slices.IsSorted(memory) {
			t.Errorf("%d CPU units: %v", c.cpu, memory)
		}
	}
	if len(fargateMemory) != 7 {
		t.Errorf("%d numbers of CPU units, want 7", len(fargateMemory))
	}
}

func TestTheTablesAreInOrderWithoutRepetition(t *testing.T) {
	if !slices.IsSorted(regions) || len(slices.Compact(slices.Clone(regions))) != 34 {
		t.Errorf("%d regions", len(regions))
	}
	if !slices.IsSorted(logRetention) || len(slices.Compact(slices.Clone(logRetention))) != 22 {
		t.Errorf("%d retentions", len(logRetention))
	}
}
