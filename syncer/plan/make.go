package plan

import (
	"cmp"
	"slices"

	"mailferry/syncer/mailbox"
)

// Plan is what makes one mailbox's sides agree again.
type Plan struct {
	Mailbox mailbox.Name
	// Actions in the order in which they are applied: mailboxes are made,
	// messages travel, flags change, and only then is anything deleted.
	Actions []Action
	// Put are links to store that need no action, Forget those to drop. Both
	// are written before the first action, in one transaction.
	Put    []*mailbox.Link
	Forget []mailbox.LinkID
	// Settled says that, once all actions are done, both sides agree as far
	// as the policy goes: the checkpoint may move. LocalSettled says that the
	// disk has nothing that only this policy leaves alone.
	Settled, LocalSettled bool
	// Renumbered says that the server gave the mailbox new UIDs; Matched of
	// the Known messages were recognised by content.
	Renumbered bool
	Matched    int
	// Anew says that the mailbox starts from nothing: links are dropped whose
	// messages are there, so the checkpoint must go with them.
	Anew bool
	// Conflicts counts messages that changed on one side and were deleted on
	// the other, and were kept.
	Conflicts int
	// TrashMissing counts messages that were deleted on disk and stay on the
	// server, because it has no \Trash that they could be moved to.
	TrashMissing int
	// Dropped counts messages that were deleted on the server and stay on disk.
	Dropped int
	// Known counts messages that both sides had.
	Known int
	// Unanswered are messages of which the server did not tell what Ask asked
	// for. Neither they nor the files that they may be travel now.
	Unanswered mailbox.UIDSet
	// Strange are files on disk that the base does not know and that the
	// policy does not send: some may be an archive's that were moved here.
	Strange []mailbox.LocalMessage
	// OnServer is what the mailbox holds there, counted for an archive only.
	OnServer Holding
	// LastArrival is the date of the message there with the highest UID.
	LastArrival mailbox.Date
	// Postponed counts messages that an archive leaves to the next run, because
	// the server just numbered them anew. Unnumbered says that it leaves all of
	// them for good, because the server gives no UIDVALIDITY.
	Postponed  int
	Unnumbered bool
	// Undated are messages that only an archive's limit of age may keep on the
	// server: it gives them no date that can be read.
	Undated mailbox.UIDSet
	// MachinesUnsupported says that nothing is archived since the mailbox
	// cannot keep the keywords by which machines report their copies.
	MachinesUnsupported bool
}

// Make decides what is to be done in one mailbox. Rows that Ask asked about
// have their answers.
func Make(base Base, local Local, remote Remote, policy Policy) Plan {
	m := newMaker(base, local, remote, policy)
	if m.renumbered && remote.Delta || m.hasUnnumbered() && (local.Incomplete || !remote.Complete && !remote.Missing) {
		// Which messages are new cannot be told from which are old: the next
		// run, with complete listings, decides.
		return Plan{Mailbox: m.plan.Mailbox}
	}
	m.adoptRenamedFiles()
	matches, questions := m.pair()
	m.adopt(matches)
	m.holdBack(questions)
	for i := range m.links {
		m.decideLink(&m.links[i])
	}
	m.decideNewRows()
	m.decideNewFiles()
	m.retain()
	return m.finish()
}

// maker holds one call of Make.
type maker struct {
	base       Base
	local      Local
	remote     Remote
	policy     Policy
	renumbered bool
	below      mailbox.UID

	links     []mailbox.Link // working copies of the base's
	dirty     map[*mailbox.Link]bool
	forgotten map[*mailbox.Link]bool
	linked    map[mailbox.UID]bool // UIDs that a link came to stand for just now
	files     map[mailbox.Key]bool // files that a link or a match stands for
	heldSizes map[int64]bool       // of the messages that were asked about in vain
	heldDates map[int64]bool
	fetched   map[mailbox.LinkID]bool // links whose message is downloaded anew
	plan      Plan
}

func newMaker(base Base, local Local, remote Remote, policy Policy) *maker {
	m := &maker{
		base: base, local: local, remote: remote, policy: policy,
		renumbered: IsRenumbered(base, remote),
		below:      base.Known.Remote.UIDNext,
		links:      slices.Clone(base.Links),
		dirty:      map[*mailbox.Link]bool{},
		forgotten:  map[*mailbox.Link]bool{},
		linked:     map[mailbox.UID]bool{},
		fetched:    map[mailbox.LinkID]bool{},
		files:      keySet(base.Links),
	}
	m.plan = Plan{
		Mailbox:    base.Known.Name,
		Settled:    !local.Incomplete && (remote.Missing || remote.Complete) && remote.Spoiled.IsEmpty(),
		Renumbered: m.renumbered, LocalSettled: true, Known: base.Rest,
	}
	for i := range m.links {
		m.register(&m.links[i])
	}
	for i := range m.links {
		m.confirmUpload(&m.links[i])
	}
	return m
}

// register settles what a link stands for before anything is matched.
func (m *maker) register(link *mailbox.Link) {
	if link.Kind == mailbox.PendingDownload && !m.local.Unchanged {
		switch m.local.side(link) {
		case Same, Changed:
			m.become(link, mailbox.Linked)
		}
	}
	if link.Kind == mailbox.PendingExpunge && !m.renumbered {
		m.settleExpunge(link)
	}
	if link.Kind == mailbox.Linked {
		m.plan.Known++
		m.learnDate(link)
	}
	if m.renumbered {
		// Written even if nothing matches: the UIDVALIDITY in the state moves
		// on, and an old UID must not be taken for a new one.
		m.dirty[link] = true
		link.Unnumber()
	}
}

// learnDate takes over a date that the server tells at last, where messages' age
// matters.
func (m *maker) learnDate(link *mailbox.Link) {
	if m.policy.Retention == nil {
		return
	}
	if row, ok := m.remote.find(link.UID); ok && row.Date.Known && !link.Date.Known && !m.renumbered {
		link.Date = row.Date
		m.dirty[link] = true
	}
}

// settleExpunge finds out what became of a message that the archive was about
// to expunge. While it is there and merely marked, it waits: the archive tries
// again, or the user purges a server that cannot expunge single messages. The
// mark is no news: on disk it would tell a mail reader to remove the only copy.
func (m *maker) settleExpunge(link *mailbox.Link) {
	switch m.remote.side(link, m.below) {
	case Gone:
		link.UID = 0
		m.become(link, mailbox.KeptLocal)
		return
	case Unknown:
		m.plan.Settled = false
		return
	}
	flags := link.Remote
	if row, ok := m.remote.find(link.UID); ok && row.HasFlags {
		flags = row.Flags
	}
	mark := mailbox.NewFlags(mailbox.FlagDeleted)
	isOnlyMarked := flags.Has(mailbox.FlagDeleted) && flags.Minus(mark).Equal(link.Remote.Minus(mark))
	if flags.Has(mailbox.FlagDeleted) && !link.Remote.Has(mailbox.FlagDeleted) {
		link.Remote = link.Remote.Union(mark)
		m.dirty[link] = true
	}
	if !isOnlyMarked || m.local.side(link) == Gone {
		m.become(link, mailbox.Linked)
	}
}

// hasUnnumbered reports whether messages lost their UIDs, now or in a run that
// could not match them.
func (m *maker) hasUnnumbered() bool {
	return m.renumbered || slices.ContainsFunc(m.links, func(link mailbox.Link) bool {
		return link.UID == 0 && link.Kind != mailbox.PendingUpload && link.Kind != mailbox.KeptLocal
	})
}

// isLinked reports whether a link stands for a message on the server.
func (m *maker) isLinked(uid mailbox.UID) bool {
	return m.linked[uid] || !m.renumbered && m.base.has(uid)
}

// confirmUpload believes an APPENDUID only when a listing shows the message:
// servers have been seen to answer with another message's UID.
func (m *maker) confirmUpload(link *mailbox.Link) {
	if link.Kind != mailbox.PendingUpload || link.UID == 0 {
		return
	}
	row, listed := m.remote.find(link.UID)
	isOld := link.UID < link.Since || m.isLinked(link.UID)
	isSame := row.HasSize && row.Size == link.Content.Size || m.remote.Rewritten.Contains(link.UID)
	switch {
	case listed && isSame && !isOld:
		m.become(link, mailbox.Linked)
		link.Since, link.ContentID = 0, row.ContentID
		m.linked[link.UID] = true
	case listed && !isOld:
		// The server took the message and stored another one, with fields of
		// its own, say. Unless content shows them to be the same, both stay:
		// sent again it would be changed again, in every run one more.
		link.UID = 0
		m.become(link, mailbox.KeptLocal)
	case isOld || m.remote.Complete:
		link.UID = 0
		m.dirty[link] = true
	}
}

func (m *maker) become(link *mailbox.Link, kind mailbox.LinkKind) {
	link.Kind = kind
	m.dirty[link] = true
}

func (m *maker) forget(link *mailbox.Link) {
	m.forgotten[link] = true
	if link.Key != "" && m.local.side(link) == Gone {
		delete(m.files, link.Key)
	}
}

// pair matches what the base does not know on either side by content.
func (m *maker) pair() ([]match, Questions) {
	if m.remote.Missing {
		return nil, Questions{}
	}
	var rows []*mailbox.RemoteMessage
	for i := range m.remote.Messages {
		if row := &m.remote.Messages[i]; !m.isLinked(row.UID) {
			rows = append(rows, row)
		}
	}
	cands := m.candidates()
	matches, questions := pairUp(cands, rows)
	return append(matches, pairAlike(cands, rows, matches, m.local.Alike)...), questions
}

// candidates are what rows may be matched with: of identical ones, those that
// the server said it took come first, then those that are surely on disk.
func (m *maker) candidates() []candidate {
	var taken, cands, unseen []candidate
	for i := range m.links {
		link := &m.links[i]
		if m.forgotten[link] || link.Content.Hash.IsZero() {
			continue
		}
		c := candidate{link: link, content: link.Content, date: link.Date}
		switch link.Kind {
		case mailbox.PendingUpload:
			c.since = max(link.Since, 1)
		case mailbox.KeptLocal:
			c.since = link.Since
		case mailbox.Linked, mailbox.KeptRemote, mailbox.PendingDownload:
			if link.UID != 0 && !m.mayHaveNewUID(link) {
				continue
			}
		default:
			continue
		}
		if file, ok := m.fileOf(link); ok {
			c.file = &file
			if link.Kind == mailbox.KeptLocal && link.Since != 0 {
				taken = append(taken, c)
			} else {
				cands = append(cands, c)
			}
		} else if link.Kind == mailbox.KeptRemote || m.local.side(link) == Unknown {
			unseen = append(unseen, c)
		}
	}
	for i := range m.local.Messages {
		if file := &m.local.Messages[i]; !m.files[file.Key] && !file.Content.Hash.IsZero() {
			cands = append(cands, candidate{file: file, content: file.Content, date: file.Date})
		}
	}
	if len(taken)+len(unseen) == 0 {
		return cands
	}
	return slices.Concat(taken, cands, unseen)
}

// mayHaveNewUID reports whether a message may be on the server under another
// UID: it was moved away and back, or the server lost its list of UIDs.
func (m *maker) mayHaveNewUID(link *mailbox.Link) bool {
	if link.Kind != mailbox.Linked || m.remote.side(link, m.below) != Gone {
		return false
	}
	_, isOnDisk := m.fileOf(link)
	return isOnDisk
}

// fileOf returns a link's file as the disk has it now.
func (m *maker) fileOf(link *mailbox.Link) (mailbox.LocalMessage, bool) {
	if link.Key == "" || m.local.Missing {
		return mailbox.LocalMessage{}, false
	}
	if m.local.Unchanged {
		return mailbox.LocalMessage{Key: link.Key, Flags: link.Local, Content: link.Content, Date: link.Date}, true
	}
	return m.local.find(link.Key)
}

// adopt makes links of the matches. Flags of messages that met for the first
// time are united.
func (m *maker) adopt(matches []match) {
	for _, found := range matches {
		link, row := found.cand.link, found.row
		if link == nil {
			common := row.Flags.Intersect(found.cand.file.Flags)
			link = &mailbox.Link{
				Key: found.cand.key(), Content: found.cand.content,
				Agreed: common, Remote: common, Local: common,
			}
			m.files[link.Key] = true
			m.plan.Put = append(m.plan.Put, link)
		} else if link.Kind == mailbox.KeptLocal && link.Since == 0 {
			common := link.Local
			if found.cand.file != nil {
				common = found.cand.file.Flags
			}
			common = common.Intersect(row.Flags)
			link.Agreed, link.Remote, link.Local = common, common, common
		}
		if found.cand.link != nil && link.Kind == mailbox.Linked {
			m.plan.Matched++
		}
		if link.Kind != mailbox.KeptRemote && link.Kind != mailbox.PendingDownload {
			link.Kind = mailbox.Linked
		}
		link.UID, link.Since, link.ContentID = row.UID, 0, row.ContentID
		link.Unproven = row.Body != link.Content.Hash
		if link.Date = row.Date; !row.Date.Known {
			link.Date = found.cand.date
		}
		m.linked[row.UID] = true
		if found.cand.link != nil {
			m.dirty[link] = true
		} else {
			m.decideLink(link)
		}
	}
}

func (m *maker) finish() Plan {
	for i := range m.links {
		link := &m.links[i]
		switch {
		case m.forgotten[link]:
			if link.ID != 0 {
				m.plan.Forget = append(m.plan.Forget, link.ID)
			}
		case m.dirty[link]:
			m.plan.Put = append(m.plan.Put, link)
		}
	}
	slices.SortStableFunc(m.plan.Actions, compareActions)
	return m.plan
}

var kindOrder = map[Kind]int{
	RenameMailboxLocal: 0, RenameMailboxRemote: 1, CreateMailboxLocal: 2, CreateMailboxRemote: 3,
	Download: 4, Upload: 5, MoveLocal: 6, MoveRemote: 7, FlagLocal: 8, FlagRemote: 9,
	RemoveLocal: 10, ExpungeRemote: 11, DeleteMailboxLocal: 12, DeleteMailboxRemote: 13,
}

func compareActions(a, b Action) int {
	return cmp.Or(
		cmp.Compare(kindOrder[a.Kind], kindOrder[b.Kind]),
		cmp.Compare(a.UID, b.UID),
		cmp.Compare(a.Key, b.Key),
	)
}
