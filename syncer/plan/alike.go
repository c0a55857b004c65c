package plan

import (
	"slices"

	"mailferry/syncer/mailbox"
)

// AskAlike returns the messages on the server that no file matches octet for
// octet, and the files that they may be all the same, because they arrived in
// the same second: another tool may have brought them there and changed their
// headers on the way, or a server their line ends. onlyVerbatim leaves out files
// whose line ends a server has no reason to change. The answers go into Alike of
// the rows and of local. It is for after Ask has nothing more to ask.
func AskAlike(base Base, local Local, remote Remote, policy Policy, onlyVerbatim bool) (mailbox.UIDSet, []mailbox.Key) {
	isNew := func(row mailbox.RemoteMessage) bool { return !base.has(row.UID) }
	if remote.Missing || !IsRenumbered(base, remote) && !slices.ContainsFunc(remote.Messages, isNew) {
		return nil, nil
	}
	if onlyVerbatim && !hasVerbatim(base, local) {
		return nil, nil
	}
	m := newMaker(base, local, remote, policy)
	m.adoptRenamedFiles()
	matches, _ := m.pair()
	taken, matched := partners(matches)
	files := map[int64][]mailbox.Key{}
	for _, c := range m.candidates() {
		if c.file != nil && c.date.Known && !taken[c.key()] && (c.content.Verbatim || !onlyVerbatim) {
			files[c.date.Unix] = append(files[c.date.Unix], c.key())
		}
	}
	var uids mailbox.UIDSet
	var keys []mailbox.Key
	for i := range remote.Messages {
		row := &remote.Messages[i]
		if m.isLinked(row.UID) || !row.Date.Known || files[row.Date.Unix] == nil || matched[row.UID] {
			continue
		}
		uids = uids.Append(row.UID)
		keys = append(keys, files[row.Date.Unix]...)
	}
	slices.Sort(keys)
	return uids, slices.Compact(keys)
}

func hasVerbatim(base Base, local Local) bool {
	return slices.ContainsFunc(base.Links, func(link mailbox.Link) bool { return link.Content.Verbatim }) ||
		slices.ContainsFunc(local.Messages, func(m mailbox.LocalMessage) bool { return m.Content.Verbatim })
}

// pairAlike matches what pairUp left over and what is alike, one to one.
func pairAlike(cands []candidate, rows []*mailbox.RemoteMessage, matches []match, onDisk map[mailbox.Key]mailbox.Hash) []match {
	taken, matched := partners(matches)
	var alike []match
	for _, row := range rows {
		if row.Alike.IsZero() || matched[row.UID] {
			continue
		}
		for i := range cands {
			c := &cands[i]
			if c.file != nil && !taken[c.key()] && onDisk[c.key()] == row.Alike && c.date.SameInstant(row.Date) {
				taken[c.key()] = true
				alike = append(alike, match{row, c})
				break
			}
		}
	}
	return alike
}

// partners are the files and the messages that have found each other.
func partners(matches []match) (files map[mailbox.Key]bool, rows map[mailbox.UID]bool) {
	files, rows = map[mailbox.Key]bool{}, map[mailbox.UID]bool{}
	for _, found := range matches {
		files[found.cand.key()], rows[found.row.UID] = true, true
	}
	return files, rows
}
