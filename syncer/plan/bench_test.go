package plan

import (
	"fmt"
	"testing"

	"mailferry/syncer/mailbox"
)

// bigMailbox has n messages on both sides and in the base.
func bigMailbox(n int) (Base, Local, Remote) {
	seen := mailbox.NewFlags(`\Seen`)
	base := Base{Known: mailbox.Known{ID: 1, Name: "INBOX", HasRemote: true, HasLocal: true, Links: n}}
	base.Known.Remote = mailbox.Status{UIDValidity: 7, UIDNext: mailbox.UID(n + 1), HighestModSeq: 9, Messages: uint32(n)}
	remote := Remote{Observation: mailbox.Observation{Status: base.Known.Remote, Complete: true, Holds: holdsOf(`\*`)}}
	var local Local
	for i := range n {
		link := mailbox.Link{
			ID: mailbox.LinkID(i + 1), UID: mailbox.UID(i + 1), Key: mailbox.Key(fmt.Sprintf("1700000000.M%09dP1234.host", i)),
			Agreed: seen, Remote: seen, Local: seen, Date: mailbox.Date{Unix: int64(i), Known: true},
			Content: mailbox.Content{Size: int64(1000 + i%5000), Hash: mailbox.Hash{1, byte(i), byte(i >> 8), byte(i >> 16)}},
		}
		base.Links = append(base.Links, link)
		local.Messages = append(local.Messages, mailbox.LocalMessage{Key: link.Key, Flags: seen})
		remote.Messages = append(remote.Messages, mailbox.RemoteMessage{
			UID: link.UID, Flags: seen, HasFlags: true, HasSize: true, Size: link.Content.Size, Date: link.Date,
		})
	}
	return base, local, remote
}

// delta leaves only the rows that changed.
func (r Remote) delta(changed int) Remote {
	r.Delta = true
	r.Messages = append([]mailbox.RemoteMessage(nil), r.Messages[:changed]...)
	for i := range r.Messages {
		r.Messages[i].Flags = mailbox.NewFlags(`\Seen`, `\Flagged`)
	}
	return r
}

func BenchmarkMake(b *testing.B) {
	const n = 1_000_000
	base, local, remote := bigMailbox(n)
	for _, bench := range []struct {
		name   string
		local  Local
		remote Remote
	}{
		{"unchanged both listed", local, remote},
		{"unchanged delta", local, remote.delta(0)},
		{"1000 changes delta", local, remote.delta(1000)},
		{"1000 changes delta disk not listed", Local{Unchanged: true}, remote.delta(1000)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Make(base, bench.local, bench.remote, Sync())
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/link")
		})
	}
}

func BenchmarkAsk(b *testing.B) {
	const n = 1_000_000
	base, local, remote := bigMailbox(n)
	for _, bench := range []struct {
		name   string
		base   Base
		remote Remote
	}{
		{"nothing new both listed", base, remote},
		{"nothing new delta", base, remote.delta(1000)},
		{"state lost", Base{Known: mailbox.Known{Name: "INBOX"}}, remote},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Ask(bench.base, local, bench.remote, Sync())
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/link")
		})
	}
}
