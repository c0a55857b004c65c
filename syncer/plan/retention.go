package plan

import (
	"cmp"
	"slices"

	"mailferry/syncer/mailbox"
)

// The rules of an archive.
const (
	archived      Rule = "archived"
	archiveReport Rule = "archive-reported"
	// BroughtBack names the upload of a message that an archive kept alone.
	BroughtBack Rule = "brought-back"
)

// Retention says which messages an archive takes from the server once they
// are proved to be on disk. The zero value takes all of them. A message goes
// only if every limit lets it go.
type Retention struct {
	// Before: later messages stay, and those of an unknown date. Unknown:
	// messages of any age may go. It is our own INTERNALDATE that counts, or
	// where the server has none, when we saw the message first.
	Before mailbox.Date
	// Now is this machine's clock, LastRun when it ended the last run on the
	// store: see DoubtClock.
	Now, LastRun mailbox.Date
	// KeepLatest is how many of a mailbox's messages stay, the newest.
	KeepLatest int
	// SeenOnly: what nobody has read yet stays.
	SeenOnly bool
	// KeepFlagged: what is flagged on either side stays.
	KeepFlagged bool
	// Free is how many octets are to be freed in all mailboxes together, the
	// oldest messages first; HasFree says that there is such a limit.
	Free    int64
	HasFree bool
	// Machine is this machine's name, LeaveFor those that must have reported
	// a copy of their own before a message goes; without it none need to.
	Machine  string
	LeaveFor []string
}

// Holding is a number of messages and their octets.
type Holding struct {
	Messages int
	Octets   int64
}

func (h *Holding) add(size int64) {
	h.Messages++
	h.Octets += size
}

// Loss is what an archive takes from one mailbox on the server, and what
// remains there.
type Loss struct {
	Mailbox       mailbox.Name
	Goes, Remains Holding
}

// IsArchival reports whether the action takes place only behind the archive's
// gate: nothing is done before its message is proved to be on disk.
func (a Action) IsArchival() bool { return a.Rule == archived || a.Rule == archiveReport }

// holder is a message on the server that an archive decides about.
type holder struct {
	link          *mailbox.Link
	uid           mailbox.UID
	key           mailbox.Key
	size          int64
	date          mailbox.Date
	server, local mailbox.Flags
	machines      mailbox.Flags
	// mayGo: it is, or will be, on disk, and surely on the server.
	mayGo bool
}

// retain adds the actions of an archive. It decides once everything else is
// decided: what is downloaded in this run may go in this run.
func (m *maker) retain() {
	limits := m.policy.Retention
	if limits == nil || m.remote.Missing {
		return
	}
	list := m.holders()
	last := mailbox.UID(0)
	for i := range list {
		h := &list[i]
		m.plan.OnServer.add(h.size)
		if h.uid > last {
			last, m.plan.LastArrival = h.uid, h.date
		}
	}
	if !m.remote.Complete || m.local.Incomplete {
		return // what is where is not certain: nothing goes
	}
	if m.remote.Status.UIDValidity == 0 {
		m.plan.Unnumbered = len(list) > 0
		return
	}
	if m.policy.OnLocalDelete == Trash && m.remote.Trash == m.base.Known.Name {
		return // what was moved there has gone
	}
	if len(limits.LeaveFor) > 0 && !m.remote.Holds.AnyKeyword {
		m.plan.MachinesUnsupported = true
		return
	}
	slices.SortStableFunc(list, newestFirst)
	var undated []mailbox.UID
	for i := range list[min(limits.KeepLatest, len(list)):] {
		h := &list[min(limits.KeepLatest, len(list))+i]
		switch {
		case !h.mayGo || !limits.letsGo(h):
		case limits.Before.Known && !h.date.Known:
			undated = append(undated, h.uid)
		case m.renumbered:
			m.plan.Postponed++
		default:
			m.letGo(limits, h)
		}
	}
	m.plan.Undated = mailbox.UIDs(undated...)
}

// AskDates returns the messages that a limit of age is about and whose date
// could not be read when they came: the server is to tell it once more.
func AskDates(base Base, remote Remote, policy Policy) mailbox.UIDSet {
	limits := policy.Retention
	if limits == nil || !limits.Before.Known || remote.Missing || remote.Status.UIDValidity == 0 || IsRenumbered(base, remote) {
		return nil
	}
	var uids []mailbox.UID
	for i := range base.Links {
		link := &base.Links[i]
		if link.Kind != mailbox.Linked || link.UID == 0 || link.Date.Known {
			continue
		}
		row, _ := remote.find(link.UID)
		if isThere := remote.side(link, base.Known.Remote.UIDNext) != Gone; isThere && !ageOf(row, row.Date).Known {
			uids = append(uids, link.UID)
		}
	}
	return mailbox.UIDs(uids...)
}

// newestFirst sorts messages of an unknown date first: they are not older.
func newestFirst(a, b holder) int {
	switch {
	case a.date.Known != b.date.Known && !a.date.Known:
		return -1
	case a.date.Known != b.date.Known:
		return 1
	}
	return cmp.Or(cmp.Compare(b.date.Unix, a.date.Unix), cmp.Compare(b.uid, a.uid))
}

// letsGo reports whether the limits let a message go that KeepLatest does not
// keep, unless its date is needed and unknown.
func (r *Retention) letsGo(h *holder) bool {
	either := h.server.Union(h.local)
	switch {
	case r.Before.Known && h.date.Known && h.date.Unix > r.Before.Unix:
		return false
	case r.SeenOnly && !either.Has(mailbox.FlagSeen):
		return false
	case r.KeepFlagged && either.Has(mailbox.FlagFlagged):
		return false
	}
	return true
}

func (m *maker) letGo(limits *Retention, h *holder) {
	action := Action{
		Kind: ExpungeRemote, Rule: archived, UID: h.uid, Key: h.key, Size: h.size,
		Flags: h.server, Date: h.date, Link: h.link,
	}
	switch own := mailbox.MachineFlag(limits.Machine); {
	case !limits.isReported(h.machines):
		if !limits.names(limits.Machine) || h.machines.Has(own.String()) {
			return // it waits for other machines
		}
		action.Kind, action.Rule, action.Change = FlagRemote, archiveReport, mailbox.FlagChange{Add: own}
	case m.policy.OnLocalDelete == Trash && m.remote.Trash == "":
		m.plan.TrashMissing++
		return
	case m.policy.OnLocalDelete == Trash:
		action.Kind, action.To = MoveRemote, m.remote.Trash
	}
	m.act(action)
}

// isReported reports whether every other machine has reported its copy; this
// one proves its own before anything goes.
func (r *Retention) isReported(machines mailbox.Flags) bool {
	return !slices.ContainsFunc(r.LeaveFor, func(name string) bool {
		return !isSameMachine(name, r.Machine) && !machines.Has(mailbox.MachineFlag(name).String())
	})
}

func (r *Retention) names(machine string) bool {
	return slices.ContainsFunc(r.LeaveFor, func(name string) bool { return isSameMachine(name, machine) })
}

func isSameMachine(a, b string) bool { return mailbox.MachineFlag(a).Equal(mailbox.MachineFlag(b)) }

// holders lists the messages that are on the server, as far as the base and
// the rows tell.
func (m *maker) holders() []holder {
	var list []holder
	for i := range m.links {
		if link := &m.links[i]; !m.forgotten[link] {
			list = m.appendHolder(list, link)
		}
	}
	for _, link := range m.plan.Put {
		list = m.appendHolder(list, link)
	}
	for i := range m.plan.Actions {
		if a := &m.plan.Actions[i]; a.Kind == Download {
			row, _ := m.remote.find(a.UID)
			list = append(list, holder{
				link: a.Link, uid: a.UID, size: a.Size, date: ageOf(row, a.Date), server: a.Flags, machines: row.Machines, mayGo: true,
			})
		}
	}
	return list
}

// appendHolder appends a link's message unless it is gone, or a download that
// is planned stands for it.
func (m *maker) appendHolder(list []holder, link *mailbox.Link) []holder {
	if link.UID == 0 || link.Kind == mailbox.PendingUpload || link.Kind == mailbox.KeptLocal || m.isFetched(link) {
		return list
	}
	side := m.remote.side(link, m.below)
	if side == Gone {
		return list
	}
	h := holder{link: link, uid: link.UID, key: link.Key, size: link.Content.Size, date: link.Date, server: link.Remote}
	if row, ok := m.remote.find(link.UID); ok {
		h.machines, h.date = row.Machines, ageOf(row, link.Date)
		if row.HasFlags {
			h.server = row.Flags
		}
	}
	if file, ok := m.fileOf(link); ok {
		isProved := link.Kind == mailbox.Linked || link.Kind == mailbox.PendingExpunge
		h.local, h.mayGo = file.Flags, isProved && side != Unknown
	}
	return append(list, h)
}

// ageOf is the date that a message's age is told by.
func ageOf(row mailbox.RemoteMessage, date mailbox.Date) mailbox.Date {
	if row.FirstSeen.Known {
		return row.FirstSeen
	}
	return date
}

// isFetched reports whether the message is downloaded anew in this run.
func (m *maker) isFetched(link *mailbox.Link) bool {
	return link.ID != 0 && m.fetched[link.ID]
}
