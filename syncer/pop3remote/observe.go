package pop3remote

import (
	"cmp"
	"slices"

	"mailferry/syncer/mailbox"
)

// describe tells of the messages as the engine wants it. Neither size nor date
// is told as known: LIST may lie, and there is no INTERNALDATE. The size is for
// progress and for max_message_size.
func (a *Account) describe(d *maildrop) ([]mailbox.RemoteMessage, mailbox.Observation) {
	rows := make([]mailbox.RemoteMessage, len(d.entries))
	for i, e := range d.entries {
		rows[i] = mailbox.RemoteMessage{
			UID: e.uid, Size: max(e.size, 0),
			FirstSeen: mailbox.Date{Unix: a.rows[e.uid].Seen, Known: true},
		}
	}
	slices.SortFunc(rows, func(a, b mailbox.RemoteMessage) int { return cmp.Compare(a.UID, b.UID) })
	seen := mailbox.Observation{
		Status: mailbox.Status{
			Messages: uint32(len(rows)), UIDNext: d.next, UIDValidity: d.validity,
		},
		Complete:   d.complete,
		HasPresent: d.complete,
	}
	for _, row := range rows {
		seen.Present = seen.Present.Append(row.UID)
	}
	return rows, seen
}
