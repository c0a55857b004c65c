package ui

import (
	"fmt"
	"slices"
	"sync"

	"github.com/dustin/go-humanize"

	"mailferry/syncer"
)

// Fleet is the progress of accounts that run at the same time: one bar for all,
// with a row for each account at work.
type Fleet struct {
	console *Console
	all     int

	mu    sync.Mutex
	done  int
	ended syncer.Progress // sums of those that ended
	work  map[string]syncer.Progress
	names []string // of work, in the order in which they began
}

// NewFleet is for so many accounts.
func NewFleet(console *Console, accounts int) *Fleet {
	return &Fleet{console: console, all: accounts, work: map[string]syncer.Progress{}}
}

// Progress draws how far all have come, one of them being an account's.
func (f *Fleet) Progress(account string, p syncer.Progress) {
	f.mu.Lock()
	if _, known := f.work[account]; !known {
		f.names = append(f.names, account)
	}
	f.work[account] = p
	name, sum := fmt.Sprintf("%d/%d accounts", f.done, f.all), f.sum()
	f.mu.Unlock()
	f.console.Progress(name, sum)
}

// Ended takes an account out.
func (f *Fleet) Ended(account string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done++
	f.ended = added(f.ended, f.work[account])
	delete(f.work, account)
	f.names = slices.DeleteFunc(f.names, func(name string) bool { return name == account })
}

func (f *Fleet) sum() syncer.Progress {
	sum := f.ended
	sum.Workers = nil
	for _, name := range f.names {
		p := f.work[name]
		sum = added(sum, p)
		row := name + ": " + p.Phase
		if p.TotalMessages > 0 {
			row += fmt.Sprintf(" %s/%s messages", humanize.Comma(p.Messages), humanize.Comma(p.TotalMessages))
		}
		sum.Workers = append(sum.Workers, row)
	}
	sum.Phase = "at work:"
	return sum
}

func added(a, b syncer.Progress) syncer.Progress {
	a.Messages += b.Messages
	a.TotalMessages += b.TotalMessages
	a.Octets += b.Octets
	a.TotalOctets += b.TotalOctets
	a.Mailboxes += b.Mailboxes
	a.TotalMailboxes += b.TotalMailboxes
	return a
}
