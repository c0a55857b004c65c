package main

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"mailferry/cmd/internal/config"
	"mailferry/syncer/mailbox"
)

// errNoMailbox: a mailbox that the command line names is on neither side.
var errNoMailbox = errors.New("no such mailbox")

// asked are the mailboxes that a command line names one by one, and which of
// them were met: a mistyped name must not end as a run that did all it should.
type asked struct {
	selects func(mailbox.Name) bool
	named   []mailbox.Name

	mu  sync.Mutex
	met map[mailbox.Name]bool
}

// ask follows what selects is asked for. Patterns with wildcards may match
// nothing.
func ask(patterns config.Patterns, selects func(mailbox.Name) bool) *asked {
	return &asked{selects: selects, named: patterns.Named(), met: map[mailbox.Name]bool{}}
}

// Selects reports whether a mailbox takes part.
func (q *asked) Selects(name mailbox.Name) bool {
	q.mu.Lock()
	q.met[name] = true
	q.mu.Unlock()
	return q.selects(name)
}

// missing is an error that wraps errNoMailbox, or nil.
func (q *asked) missing() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	var names []string
	for _, name := range q.named {
		if !q.met[name] {
			names = append(names, fmt.Sprintf("%q", name))
		}
	}
	if names == nil {
		return nil
	}
	return fmt.Errorf("--mailbox %s: %w", strings.Join(names, ", "), errNoMailbox)
}
