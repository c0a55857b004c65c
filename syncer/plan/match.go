package plan

import (
	"cmp"
	"slices"

	"mailferry/syncer/mailbox"
)

// Questions are what Make needs to know about messages on the server before it
// can tell whether the disk has them already. Answers go into the Header and
// Body of the rows.
type Questions struct {
	Headers, Bodies mailbox.UIDSet
}

// IsEmpty reports whether there is nothing to ask.
func (q Questions) IsEmpty() bool { return q.Headers.IsEmpty() && q.Bodies.IsEmpty() }

// Ask returns what is needed to match messages by content, header hashes
// first. It costs nothing when one side has no messages that the base does not
// know. Call it again with the answers until it asks nothing.
func Ask(base Base, local Local, remote Remote, policy Policy) Questions {
	isNew := func(row mailbox.RemoteMessage) bool { return !base.has(row.UID) }
	if !IsRenumbered(base, remote) && !slices.ContainsFunc(remote.Messages, isNew) {
		return Questions{}
	}
	m := newMaker(base, local, remote, policy)
	m.adoptRenamedFiles()
	_, questions := m.pair()
	if !questions.Headers.IsEmpty() {
		questions.Bodies = nil // the headers may tell that no body is needed
	}
	return questions
}

// AskRewritten returns the uploads that the server says it took and that it
// shows with another size, although only their line ends were such as a server
// may change. Those that prove to be the same go into Remote.Rewritten.
func AskRewritten(base Base, remote Remote) []mailbox.Link {
	if IsRenumbered(base, remote) {
		return nil
	}
	var asked []mailbox.Link
	for _, link := range base.Links {
		if link.Kind != mailbox.PendingUpload || link.UID == 0 || link.UID < link.Since || !link.Content.Verbatim {
			continue
		}
		row, listed := remote.find(link.UID)
		if listed && row.HasSize && row.Size != link.Content.Size && !base.has(link.UID) {
			asked = append(asked, link)
		}
	}
	return asked
}

// A candidate is a message on disk, or one that was there, that may be the
// same as a message on the server that the base does not know.
type candidate struct {
	link    *mailbox.Link         // nil: the base does not know the file
	file    *mailbox.LocalMessage // nil: the disk has no copy, by the user's wish
	content mailbox.Content
	date    mailbox.Date
	// since is not 0 for an upload whose answer was lost: the server may
	// tell any size for it (Exchange does), but no UID below since.
	since mailbox.UID
}

func (c *candidate) key() mailbox.Key {
	if c.file != nil {
		return c.file.Key
	}
	return ""
}

func (c *candidate) fits(row *mailbox.RemoteMessage) bool {
	if c.since != 0 && row.UID >= c.since {
		return true
	}
	return !row.HasSize || row.Size == c.content.Size || row.Date.SameInstant(c.date)
}

type match struct {
	row  *mailbox.RemoteMessage
	cand *candidate
}

// pairUp matches rows with candidates by content, one to one. Size, date and a
// header with a Message-ID, all the same, are proof only where nothing else
// could be meant; otherwise the whole message's hash is asked for.
// Rows that are asked about match nothing yet; the others do. A date in common
// is reason enough to ask: there are servers that tell wrong sizes (Exchange).
// So is a size that the server does not tell (POP3).
func pairUp(cands []candidate, rows []*mailbox.RemoteMessage) ([]match, Questions) {
	var q Questions
	if len(cands) == 0 || len(rows) == 0 {
		return nil, q
	}
	bySize := map[int64]bool{}
	byDate := map[int64]bool{}
	byHeader := map[mailbox.Hash][]*candidate{}
	firstLost := mailbox.UID(0)
	for i := range cands {
		c := &cands[i]
		bySize[c.content.Size] = true
		if c.date.Known {
			byDate[c.date.Unix] = true
		}
		byHeader[c.content.Header] = append(byHeader[c.content.Header], c)
		if c.since != 0 && (firstLost == 0 || c.since < firstLost) {
			firstLost = c.since
		}
	}
	groups := map[mailbox.Hash][]*mailbox.RemoteMessage{}
	for _, row := range rows {
		plausible := !row.HasSize || bySize[row.Size] || row.Date.Known && byDate[row.Date.Unix] ||
			firstLost != 0 && row.UID >= firstLost
		switch {
		case !row.Header.IsZero():
			// Also one that fits nothing here: of two with one header, neither
			// is known by its header alone.
			groups[row.Header] = append(groups[row.Header], row)
		case plausible:
			q.Headers = q.Headers.Append(row.UID)
		}
	}
	var matches []match
	var bodies []mailbox.UID
	for header, group := range groups {
		found, ask := pairGroup(byHeader[header], group)
		matches = append(matches, found...)
		bodies = append(bodies, ask...)
	}
	slices.SortFunc(matches, func(a, b match) int { return cmp.Compare(a.row.UID, b.row.UID) })
	q.Bodies = mailbox.UIDs(bodies...)
	return matches, q
}

// pairGroup matches messages that have one header.
func pairGroup(cands []*candidate, rows []*mailbox.RemoteMessage) (matches []match, ask []mailbox.UID) {
	if len(cands) == 0 {
		return nil, nil
	}
	if len(cands) == 1 && len(rows) == 1 {
		row, c := rows[0], cands[0]
		if !c.fits(row) {
			return nil, nil
		}
		if row.Body.IsZero() && row.HasMessageID && row.HasSize && row.Size == c.content.Size && row.Date.SameInstant(c.date) {
			return []match{{row, c}}, nil
		}
	}
	taken := map[*candidate]bool{}
	// Copies with the same date are paired first, so that of identical
	// messages each keeps its own.
	for _, sameDate := range []bool{true, false} {
		for _, row := range rows {
			if row.Body.IsZero() {
				if sameDate && slices.ContainsFunc(cands, func(c *candidate) bool { return c.fits(row) }) {
					ask = append(ask, row.UID)
				}
				continue
			}
			if slices.ContainsFunc(matches, func(m match) bool { return m.row == row }) {
				continue
			}
			for _, c := range cands {
				if !taken[c] && c.content.Hash == row.Body && c.fits(row) && (!sameDate || row.Date.SameInstant(c.date)) {
					taken[c] = true
					matches = append(matches, match{row, c})
					break
				}
			}
		}
	}
	return matches, ask
}

// holdBack notes which questions had no answer. What they concern does not
// travel now: it could become two.
func (m *maker) holdBack(q Questions) {
	m.plan.Unanswered = q.Headers.Union(q.Bodies)
	if m.plan.Unanswered.IsEmpty() {
		return
	}
	m.plan.Settled = false
	m.heldSizes, m.heldDates = map[int64]bool{}, map[int64]bool{}
	for uid := range m.plan.Unanswered.All() {
		row, _ := m.remote.find(uid)
		m.heldSizes[row.Size] = true
		if row.Date.Known {
			m.heldDates[row.Date.Unix] = true
		}
	}
}

// mayBeThere reports whether the server may have a message that the base does
// not know and that no row matched. since is that of an upload, or 0.
func (m *maker) mayBeThere(content mailbox.Content, date mailbox.Date, since mailbox.UID) bool {
	if m.remote.Missing {
		return false
	}
	return !m.remote.Complete || m.heldSizes[content.Size] || date.Known && m.heldDates[date.Unix] || since != 0 && m.plan.Unanswered.Max() >= since
}
