// Package monitor tells monitoring systems how runs went: it pings a URL and
// keeps a file for Prometheus. Nothing here can fail a run.
package monitor

import "time"

// Run is a run that has ended.
type Run struct {
	Account, Command string
	Ended            time.Time
	Duration         time.Duration
	ExitCode         int
	// Counts are what was done, by name: "downloaded", "failed".
	Counts []Count
	// OctetsDown and OctetsUp were transferred.
	OctetsDown, OctetsUp int64
}

// Count is one number of a run.
type Count struct {
	Name string
	N    int
}
