package main

import (
	"fmt"
	"testing"
)

func TestEveryAccountIsInOnePartAndStaysThere(t *testing.T) {
	const accounts, parts = 1000, 10
	of := func(account string, parts int) int {
		found := 0
		for part := 1; part <= parts; part++ {
			if (shard{part, parts}).has(account) {
				if found != 0 {
					t.Fatalf("%s is in parts %d and %d", account, found, part)
				}
				found = part
			}
		}
		if found == 0 {
			t.Fatalf("%s is in no part", account)
		}
		return found
	}
	sizes, moved := map[int]int{}, 0
	for i := range accounts {
		account := fmt.Sprintf("user%d@example.com", i)
		part := of(account, parts)
		sizes[part]++
		if after := of(account, parts+1); after != part {
			if moved++; after != parts+1 {
				t.Errorf("%s moved from part %d to %d, which was there before", account, part, after)
			}
		}
	}
	for part, n := range sizes {
		if n < accounts/parts/2 || n > accounts/parts*2 {
			t.Errorf("part %d has %d accounts of %d", part, n, accounts)
		}
	}
	if moved > accounts/parts*2 {
		t.Errorf("one part more moved %d accounts", moved)
	}
	// Machines of different versions have to agree.
	for account, want := range map[string]int{"a": 9, "b": 8, "user@example.com": 7} {
		if got := of(account, parts); got != want {
			t.Errorf("%s is in part %d, was in %d", account, got, want)
		}
	}
}

func TestParseShard(t *testing.T) {
	kubernetes := map[string]string{"JOB_COMPLETION_INDEX": "2"}
	counted := map[string]string{"JOB_COMPLETION_INDEX": "2", "MAILFERRY_SHARDS": "10"}
	slurm := map[string]string{"SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_MIN": "3", "SLURM_ARRAY_TASK_COUNT": "4", "SLURM_ARRAY_TASK_STEP": "1"}
	stepped := map[string]string{"SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_COUNT": "4", "SLURM_ARRAY_TASK_STEP": "2"}
	for _, c := range []struct {
		text string
		env  map[string]string
		want shard
		bad  bool
	}{
		{"", nil, shard{}, false},
		{"3/10", nil, shard{3, 10}, false},
		{"1/1", nil, shard{1, 1}, false},
		{"auto/10", kubernetes, shard{3, 10}, false},
		{"auto", counted, shard{3, 10}, false},
		{"auto", slurm, shard{3, 4}, false},
		{"auto", kubernetes, shard{}, true},
		{"auto", stepped, shard{}, true},
		{"auto", nil, shard{}, true},
		{"auto/2", kubernetes, shard{}, true},
		{"0/10", nil, shard{}, true},
		{"11/10", nil, shard{}, true},
		{"3", nil, shard{}, true},
		{"x/10", nil, shard{}, true},
		{"3/", nil, shard{}, true},
		{"3/10/2", nil, shard{}, true},
		{"1/1000000000", nil, shard{}, true},
	} {
		got, err := parseShard(c.text, func(name string) string { return c.env[name] })
		if (err != nil) != c.bad || err == nil && got != c.want {
			t.Errorf("%q with %v: %v, %v", c.text, c.env, got, err)
		}
	}
}
