package ui

import (
	"fmt"

	"github.com/dustin/go-humanize"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// LossTeller tells what an archive is about to take from a mailbox.
type LossTeller interface{ Loss(plan.Loss) }

// Loss shows in a dry run what a mailbox on the server would lose and keep.
func (t Text) Loss(loss plan.Loss) {
	if !t.DryRun || t.Quiet {
		return
	}
	fmt.Fprintf(t.Console.Out(), "%s: %s (%s) would leave the server, %s (%s) remain\n", Escape(string(loss.Mailbox)),
		Plural(loss.Goes.Messages, "message", "messages"), octets(loss.Goes.Octets),
		humanize.Comma(int64(loss.Remains.Messages)), octets(loss.Remains.Octets))
}

func octets(n int64) string { return humanize.IBytes(uint64(max(0, n))) }

type lossObject struct {
	Type              string       `json:"type"`
	Account           string       `json:"account"`
	Mailbox           mailbox.Name `json:"mailbox"`
	Messages          int          `json:"messages"`
	Octets            int64        `json:"octets"`
	RemainingMessages int          `json:"remaining_messages"`
	RemainingOctets   int64        `json:"remaining_octets"`
}

// Loss writes an archive object.
func (j *JSON) Loss(loss plan.Loss) {
	j.write(lossObject{
		Type: "archive", Account: j.account, Mailbox: loss.Mailbox,
		Messages: loss.Goes.Messages, Octets: loss.Goes.Octets,
		RemainingMessages: loss.Remains.Messages, RemainingOctets: loss.Remains.Octets,
	})
}
