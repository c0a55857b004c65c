package plan_test

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"

	"mailferry/syncer/plan"
	"mailferry/syncer/synctest"
)

// TestManyHistoriesConverge is TestHistoriesConvergeAndLoseNothing without
// rapid's book-keeping: MAILFERRY_HISTORIES from MAILFERRY_SEED on, a million
// with MAILFERRY_LONG.
func TestManyHistoriesConverge(t *testing.T) {
	count, first := 1000, 1
	if os.Getenv("MAILFERRY_LONG") != "" {
		count = 1_000_000
	}
	for variable, value := range map[string]*int{"MAILFERRY_HISTORIES": &count, "MAILFERRY_SEED": &first} {
		if text := os.Getenv(variable); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil {
				t.Fatal(variable, err)
			}
			*value = n
		}
	}
	workers := runtime.GOMAXPROCS(0)
	var failed atomic.Int64
	t.Run("part", func(t *testing.T) {
		for worker := range workers {
			t.Run(fmt.Sprint(worker), func(t *testing.T) {
				t.Parallel()
				for seed := first + worker; seed < first+count; seed += workers {
					if err := plan.Live(uint64(seed)); err != nil {
						failed.Add(1)
						t.Errorf("MAILFERRY_SEED=%d MAILFERRY_HISTORIES=1: %v", seed, err)
					}
				}
			})
		}
	})
	synctest.Report(t, "%d tried, from seed %d on: %d lost or doubled something, or did not come to rest", count, first, failed.Load())
}
