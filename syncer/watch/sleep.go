package watch

import (
	"context"
	"time"
)

const (
	sleepEvery = 15 * time.Second
	// sleepLeast is more than clocks are corrected by in passing.
	sleepLeast = 5 * time.Second
)

// Sleeps calls woke each time the machine slept, until ctx ends: then the time
// of day went on and the clock that timers go by did not. wall is the time of
// day. A connection may have died meanwhile without a word.
func Sleeps(ctx context.Context, wall func() time.Time, woke func()) {
	ticker := time.NewTicker(sleepEvery)
	defer ticker.Stop()
	clock, day := time.Now(), wall().Round(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		nextClock, nextDay := time.Now(), wall().Round(0)
		if nextDay.Sub(day)-nextClock.Sub(clock) >= sleepLeast {
			woke()
		}
		clock, day = nextClock, nextDay
	}
}
