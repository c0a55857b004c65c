package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// shard is one of several parts of the accounts: of counts from 1. The zero
// value is all of them.
type shard struct{ part, of int }

// maxShards bounds how many parts there are.
const maxShards = 100_000

// parseShard reads "3/10", "auto" or "auto/10". auto asks the variables that
// Kubernetes sets for the pods of an Indexed Job (counting from 0) and Slurm for
// the tasks of an array.
func parseShard(text string, env func(string) string) (shard, error) {
	if text == "" {
		return shard{}, nil
	}
	part, of, hasOf := strings.Cut(text, "/")
	var s shard
	var err error
	if hasOf {
		if s.of, err = strconv.Atoi(of); err != nil {
			return shard{}, fmt.Errorf("%.40q is not a part such as 3/10", text)
		}
	}
	if part == "auto" {
		err = s.ask(env)
	} else if !hasOf {
		err = fmt.Errorf("%.40q is not a part such as 3/10", text)
	} else if s.part, err = strconv.Atoi(part); err != nil {
		err = fmt.Errorf("%.40q is not a part such as 3/10", text)
	}
	if err == nil && (s.of < 1 || s.of > maxShards || s.part < 1 || s.part > s.of) {
		err = fmt.Errorf("there is no part %d of %d: parts count from 1", s.part, s.of)
	}
	return s, err
}

// ask fills in what the environment tells.
func (s *shard) ask(env func(string) string) error {
	number := func(name string) (int, error) {
		n, err := strconv.Atoi(env(name))
		if err != nil {
			return 0, fmt.Errorf("auto: the variable %s is %.40q, not a number", name, env(name))
		}
		return n, nil
	}
	countVariable, first := "MAILFERRY_SHARDS", 0
	index, err := 0, error(nil)
	switch {
	case env("JOB_COMPLETION_INDEX") != "":
		index, err = number("JOB_COMPLETION_INDEX")
	case env("SLURM_ARRAY_TASK_ID") != "":
		countVariable = "SLURM_ARRAY_TASK_COUNT"
		index, err = number("SLURM_ARRAY_TASK_ID")
		if err == nil && env("SLURM_ARRAY_TASK_MIN") != "" {
			first, err = number("SLURM_ARRAY_TASK_MIN")
		}
		if step := env("SLURM_ARRAY_TASK_STEP"); err == nil && step != "" && step != "1" {
			err = fmt.Errorf("auto: an array with steps is not understood; say --shard PART/ALL")
		}
	default:
		return fmt.Errorf("auto: neither JOB_COMPLETION_INDEX nor SLURM_ARRAY_TASK_ID is set")
	}
	s.part = index - first + 1
	if err == nil && s.of == 0 {
		if s.of, err = number(countVariable); err != nil {
			err = fmt.Errorf("%w; say how many there are: --shard auto/10", err)
		}
	}
	return err
}

// has reports whether an account is in this part. Each part bids for the
// account and the highest bid wins (rendezvous hashing): an account more or less
// moves no other, and a part more takes no more than its share.
func (s shard) has(account string) bool {
	if s.of <= 1 {
		return true
	}
	winner, highest := 0, uint64(0)
	for part := 1; part <= s.of; part++ {
		sum := sha256.Sum256([]byte(strconv.Itoa(part) + "/" + account))
		if bid := binary.BigEndian.Uint64(sum[:8]); winner == 0 || bid > highest {
			winner, highest = part, bid
		}
	}
	return winner == s.part
}
