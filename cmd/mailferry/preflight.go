package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"mailferry/cmd/internal/ui"
	"mailferry/syncer/imapremote"
	"mailferry/syncer/mailbox"
)

// assumedRate is the octets per second that a forecast reckons with where no
// limit is given: 8 Mbit/s, an ordinary line's upload.
const assumedRate = 1 << 20

// preflight is what a restore would do and run into, told before it does.
type preflight struct {
	to        string
	messages  int
	octets    int64
	mailboxes int
	// rate is what seconds were reckoned with.
	rate    int64
	seconds int64
	room    imapremote.Room
	large   []largeMessage
	names   []nameChange
	lost    []lostFlags
}

type largeMessage struct {
	Mailbox mailbox.Name `json:"mailbox"`
	Key     mailbox.Key  `json:"key"`
	Size    int64        `json:"size"`
}

type nameChange struct {
	From   mailbox.Name `json:"from"`
	To     mailbox.Name `json:"to,omitempty"`
	Reason string       `json:"reason,omitempty"`
	Error  string       `json:"error,omitempty"`
}

type lostFlags struct {
	Mailbox  mailbox.Name `json:"mailbox"`
	Flags    []string     `json:"flags"`
	Messages int          `json:"messages"`
}

// preflight looks at what the other server takes, and tells.
func (r *restoring) preflight(ctx context.Context) error {
	asked := time.Now()
	room, err := r.both.imap.Room(ctx)
	if err != nil {
		return err
	}
	p := preflight{
		to: identityURL(r.dest.account), messages: r.report.messages, octets: r.report.octets, mailboxes: r.report.mailboxes,
		room: room, rate: assumedRate,
	}
	if limit := r.account().BWLimit; limit > 0 {
		p.rate = limit
	}
	// Each mailbox takes a few answers, and each hundred messages one; how long
	// an answer takes was just seen.
	answers := 4*p.mailboxes + p.messages/100 + 1
	p.seconds = p.octets/p.rate + int64((time.Duration(answers) * time.Since(asked)).Seconds())
	for _, action := range r.report.sent {
		if room.MessageSize > 0 && action.Size > room.MessageSize {
			p.large = append(p.large, largeMessage{action.Mailbox, action.Key, action.Size})
		}
	}
	for _, c := range r.choices {
		if !r.flags.patterns.Selects(c.From) || c.From == c.To && c.Err == nil {
			continue
		}
		change := nameChange{From: c.From, To: c.To, Reason: string(c.Why)}
		if c.Err != nil {
			change.To, change.Error = "", c.Err.Error()
		}
		p.names = append(p.names, change)
	}
	for _, name := range slices.Sorted(maps.Keys(r.report.lost)) {
		lost := r.report.lost[name]
		p.lost = append(p.lost, lostFlags{name, slices.Sorted(maps.Keys(lost.names)), lost.messages})
	}
	p.tell(r.app, r.source.account.Name)
	return nil
}

func (p preflight) tell(a *app, account string) {
	switch {
	case a.flags.json:
		ui.WriteJSON(a.out(), p.object(account))
	case !a.flags.quiet:
		p.write(a.out())
	}
}

// isOver reports whether what is to come is more than the quota leaves.
func (p preflight) isOver() bool { return p.room.Limit > 0 && p.octets > p.room.Limit-p.room.Used }

func (p preflight) write(w io.Writer) {
	row := func(title, format string, args ...any) {
		fmt.Fprintf(w, "%-14s %s\n", title, ui.Escape(fmt.Sprintf(format, args...)))
	}
	row("restore to", "%s: nothing has been sent", p.to)
	row("to upload", "%s messages, %s, %d mailboxes to be made", humanize.Comma(int64(p.messages)), humanize.IBytes(uint64(p.octets)), p.mailboxes)
	row("time", "about %s, at %s a second", (time.Duration(p.seconds) * time.Second).String(), humanize.IBytes(uint64(p.rate)))
	switch {
	case p.isOver():
		row("quota", "%s of %s are left: not enough", humanize.IBytes(uint64(max(0, p.room.Limit-p.room.Used))), humanize.IBytes(uint64(p.room.Limit)))
	case p.room.Limit > 0:
		row("quota", "%s of %s are left: enough", humanize.IBytes(uint64(p.room.Limit-p.room.Used)), humanize.IBytes(uint64(p.room.Limit)))
	default:
		row("quota", "the server does not tell")
	}
	if p.room.MessageSize == 0 {
		row("too large", "unknown: the server does not tell what it takes")
	}
	for _, m := range p.large {
		row("too large", "%s  %s  %s (the server takes %s)", m.Mailbox, m.Key, humanize.IBytes(uint64(m.Size)), humanize.IBytes(uint64(p.room.MessageSize)))
	}
	for _, n := range p.names {
		if n.Error != "" {
			row("not possible", "%s: %s; give it a name: --map %s", n.From, n.Error, quoted(string(n.From)+"=NAME"))
		} else {
			row("other name", "%s -> %s (%s)", n.From, n.To, n.Reason)
		}
	}
	for _, l := range p.lost {
		row("flags lost", "%s: %s of %d messages", l.Mailbox, strings.Join(l.Flags, " "), l.Messages)
	}
}

type preflightObject struct {
	Type           string         `json:"type"`
	Account        string         `json:"account"`
	To             string         `json:"to"`
	Messages       int            `json:"messages"`
	Octets         int64          `json:"octets"`
	Mailboxes      int            `json:"mailboxes"`
	Seconds        int64          `json:"seconds"`
	Rate           int64          `json:"rate"`
	QuotaUsed      int64          `json:"quota_used"`
	QuotaLimit     int64          `json:"quota_limit"`
	QuotaFits      bool           `json:"quota_fits"`
	MaxMessageSize int64          `json:"max_message_size"`
	TooLarge       []largeMessage `json:"too_large"`
	Names          []nameChange   `json:"names"`
	FlagsLost      []lostFlags    `json:"flags_lost"`
}

func (p preflight) object(account string) preflightObject {
	return preflightObject{
		Type: "preflight", Account: account, To: p.to, Messages: p.messages, Octets: p.octets, Mailboxes: p.mailboxes,
		Seconds: p.seconds, Rate: p.rate, QuotaUsed: p.room.Used, QuotaLimit: p.room.Limit, QuotaFits: !p.isOver(),
		MaxMessageSize: p.room.MessageSize,
		TooLarge:       append([]largeMessage{}, p.large...), Names: append([]nameChange{}, p.names...),
		FlagsLost: append([]lostFlags{}, p.lost...),
	}
}
