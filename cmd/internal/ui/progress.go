package ui

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/schollz/progressbar/v3"

	"mailferry/syncer"
)

// refresh is how often the progress is drawn.
const refresh = 200 * time.Millisecond

// bar is one total bar with a row for each connection.
type bar struct {
	bar *progressbar.ProgressBar
	// drawn collects what the bar writes, so that one picture reaches the
	// terminal in one piece.
	drawn bytes.Buffer
	rows  int
	last  time.Time
	shown bool
}

// Progress draws how far a run has come. Without a terminal it does nothing.
func (c *Console) Progress(account string, p syncer.Progress) {
	if !c.errIsTerm {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bar == nil || c.bar.rows != len(p.Workers) {
		c.clearLocked()
		c.bar = newBar(len(p.Workers))
	}
	if time.Since(c.bar.last) < refresh {
		return
	}
	c.bar.draw(account, p, c.errColumns())
	io.Copy(c.stderr, &c.bar.drawn)
}

// EndProgress removes the progress from the terminal.
func (c *Console) EndProgress() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clearLocked()
	c.bar = nil
}

func newBar(rows int) *bar {
	b := &bar{rows: rows}
	b.bar = progressbar.NewOptions64(1,
		progressbar.OptionSetWriter(&b.drawn),
		progressbar.OptionSetMaxDetailRow(rows),
		progressbar.OptionSetWidth(12),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionShowBytes(true),
		progressbar.OptionUseANSICodes(true),
		progressbar.OptionSetRenderBlankState(false),
	)
	return b
}

func (b *bar) draw(account string, p syncer.Progress, columns int) {
	b.last, b.shown = time.Now(), true
	b.bar.Describe(truncated(describe(account, p), max(10, columns-50)))
	// One octet more than there is: a bar that was full once never moves
	// again, and totals grow while mailboxes are looked at.
	b.bar.ChangeMax64(max(p.TotalOctets, p.Octets) + 1)
	b.bar.Set64(p.Octets)
	for i, worker := range p.Workers {
		if worker == "" {
			worker = "idle"
		}
		b.bar.AddDetail(truncated(fmt.Sprintf("  %d %s", i+1, Escape(worker)), columns-1))
	}
}

func describe(account string, p syncer.Progress) string {
	text := Escape(account)
	if p.TotalMessages == 0 {
		return fmt.Sprintf("%s %s %d/%d mailboxes", text, p.Phase, p.Mailboxes, p.TotalMailboxes)
	}
	return fmt.Sprintf("%s %s/%s messages", text, humanize.Comma(p.Messages), humanize.Comma(p.TotalMessages))
}
