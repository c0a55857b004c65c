package schedule

import (
	"fmt"
	"time"
)

// Every is how often a job runs: a time that divides an hour, a day or a week,
// so that both systemd and cron can say it.
type Every struct {
	span           time.Duration
	calendar, cron string
}

// ParseEvery makes an Every of a time span.
func ParseEvery(span time.Duration) (Every, error) {
	minutes, hours := int(span/time.Minute), int(span/time.Hour)
	e := Every{span: span}
	switch {
	case span == 7*24*time.Hour:
		e.calendar, e.cron = "weekly", "0 0 * * 1"
	case span == 24*time.Hour:
		e.calendar, e.cron = "daily", "0 0 * * *"
	case span == time.Hour:
		e.calendar, e.cron = "hourly", "0 * * * *"
	case span == time.Minute:
		e.calendar, e.cron = "*:0/1", "* * * * *"
	case span%time.Minute == 0 && minutes > 0 && minutes < 60 && 60%minutes == 0:
		e.calendar, e.cron = fmt.Sprintf("*:0/%d", minutes), fmt.Sprintf("*/%d * * * *", minutes)
	case span%time.Hour == 0 && hours > 0 && hours < 24 && 24%hours == 0:
		e.calendar, e.cron = fmt.Sprintf("*-*-* 00/%d:00:00", hours), fmt.Sprintf("0 */%d * * *", hours)
	default:
		return Every{}, fmt.Errorf("does not divide an hour, a day or a week: say for instance 5m, 10m, 15m, 30m, 1h, 6h, 1d or 7d")
	}
	return e, nil
}

// Span is the time between two runs.
func (e Every) Span() time.Duration { return e.span }

// String is the span as people write it.
func (e Every) String() string {
	switch {
	case e.span%(24*time.Hour) == 0:
		return fmt.Sprintf("%dd", e.span/(24*time.Hour))
	case e.span%time.Hour == 0:
		return fmt.Sprintf("%dh", e.span/time.Hour)
	}
	return fmt.Sprintf("%dm", e.span/time.Minute)
}
