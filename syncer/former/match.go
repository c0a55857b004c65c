package former

import (
	"cmp"
	"maps"
	"slices"

	"mailferry/syncer/mailbox"
)

// File is a message on disk, read.
type File struct {
	mailbox.LocalFile
	Content mailbox.Content
	// TUID is how much of Content is the field that mbsync adds to its copies.
	TUID int64
	// Identity tells messages apart by Message-ID, Date, From and Subject; zero
	// without a Message-ID.
	Identity mailbox.Hash
}

// plain is the message's size without mbsync's field.
func (f *File) plain() int64 { return f.Content.Size - f.TUID }

// fits reports whether the server's size is the file's, but for mbsync's field,
// which either of them may have.
func (f *File) fits(message *mailbox.RemoteMessage) bool {
	return message.HasSize && (message.Size == f.Content.Size || message.Size == f.plain() || message.Size == f.plain()+tuidField)
}

// Server is a mailbox on the server, completely listed.
type Server struct {
	UIDValidity mailbox.UIDValidity
	Messages    []mailbox.RemoteMessage
	// Identities are those that an earlier Match asked for.
	Identities map[mailbox.UID]mailbox.Hash
}

// Matched is what of a folder's records is still true.
type Matched struct {
	// Links are what the state is to know.
	Links []*mailbox.Link
	// Ask are messages whose identity decides. Match again with the answers.
	Ask mailbox.UIDSet
	// Known of both sides, by number or by content; Expired stay on the server,
	// as the other program wanted it; KeptOnDisk stay on disk for good.
	Known, Expired, KeptOnDisk int
	// Stubs are placeholders: their messages travel with the next sync.
	Stubs int
	// GoneFromServer were deleted there since, GoneFromDisk here. NewOnServer
	// and NewOnDisk came since, or are not known to be the same as anything.
	GoneFromServer, GoneFromDisk, NewOnServer, NewOnDisk int
	// Contradicted are records whose file and message are not the same.
	Contradicted int
	// Renumbered: the server's numbers are no longer those remembered.
	Renumbered bool
}

// Match finds out what both sides have. Only what a file and a message on the
// server prove together is linked; the rest is new to the engine, so that a
// wrong record costs a transfer and never a message. One thing is taken on the
// record's word: that a message was on the server which is not there any more,
// where other records of the same mailbox are proved right; its file then goes
// to the store's trash, as after any deletion there.
func Match(folder Folder, files []File, server Server) Matched {
	m := newMatcher(folder, files, server)
	if !m.Renumbered {
		m.byNumber()
	}
	m.byContent()
	m.dropVanished()
	if !m.Renumbered {
		m.leaveExpired()
	}
	m.count()
	return m.Matched
}

// matcher holds one call of Match.
type matcher struct {
	Matched
	folder  Folder
	files   []File
	server  Server
	numbers map[uint32]int // of files; -1: several have it
	rows    map[mailbox.UID]int
	// taken: nothing more is to be found out about it.
	takenFiles map[int]bool
	takenRows  map[mailbox.UID]bool
	// vanished are files whose messages are not on the server any more.
	vanished map[int]*Record
	waiting  map[mailbox.UID]bool
}

func newMatcher(folder Folder, files []File, server Server) *matcher {
	m := &matcher{
		folder: folder, files: files, server: server,
		numbers: map[uint32]int{}, rows: map[mailbox.UID]int{},
		takenFiles: map[int]bool{}, takenRows: map[mailbox.UID]bool{},
		vanished: map[int]*Record{}, waiting: map[mailbox.UID]bool{},
	}
	m.Renumbered = folder.UIDValidity == 0 || folder.UIDValidity != server.UIDValidity
	for i := range files {
		n := folder.Numbers(files[i].Key)
		if n == 0 || folder.Doubt != "" {
			continue
		}
		if _, twice := m.numbers[n]; twice {
			i = -1 // a copy: which one is meant cannot be told
		}
		m.numbers[n] = i
	}
	for i := range server.Messages {
		m.rows[server.Messages[i].UID] = i
	}
	return m
}

// byNumber goes through the records.
func (m *matcher) byNumber() {
	for i := range m.folder.Records {
		record := &m.folder.Records[i]
		file, hasFile := m.numbers[record.Number]
		hasFile = hasFile && record.Number != 0 && file >= 0 && !m.takenFiles[file]
		row, hasRow := m.rows[record.UID]
		hasRow = hasRow && record.UID != 0 && !m.takenRows[record.UID]
		switch {
		case record.Stub == OnDisk && hasFile:
			m.Stubs++
			m.keepOnDisk(file, record)
		case record.Stub == OnServer && hasRow:
			m.Stubs++
			m.keepOnServer(row)
		case record.Stub != Nowhere:
		case hasFile && hasRow:
			m.pair(record, file, row)
		case hasFile && record.UID == 0:
			m.KeptOnDisk++
			m.keepOnDisk(file, record)
		case hasFile && !hasRow:
			m.vanished[file] = record
		case hasRow && record.Expired:
			m.Expired++
			m.keepOnServer(row)
		case hasRow && record.Number != 0 && m.folder.Doubt == "":
			m.GoneFromDisk++
		}
	}
}

// pair links what a record says to be one message, if it is.
func (m *matcher) pair(record *Record, file, row int) {
	f, message := &m.files[file], &m.server.Messages[row]
	if !f.fits(message) {
		identity, told := m.server.Identities[message.UID]
		switch {
		case !told:
			m.waiting[message.UID] = true
			return
		case identity.IsZero() || identity != f.Identity:
			m.Contradicted++
			return
		}
	}
	m.link(file, row, record.Flags)
}

func (m *matcher) link(file, row int, flags mailbox.Flags) {
	f, message := &m.files[file], &m.server.Messages[row]
	m.takenFiles[file], m.takenRows[message.UID] = true, true
	m.Known++
	m.Links = append(m.Links, &mailbox.Link{
		Kind: mailbox.Linked, UID: message.UID, Key: f.Key, Content: f.Content, ContentID: message.ContentID, Date: message.Date,
		Agreed: flags, Remote: flags, Local: flags,
	})
}

// keepOnDisk leaves a file where it is, and out of all that travels.
func (m *matcher) keepOnDisk(file int, record *Record) {
	f := &m.files[file]
	m.takenFiles[file] = true
	m.Links = append(m.Links, &mailbox.Link{
		Kind: mailbox.KeptLocal, Key: f.Key, Content: f.Content, Agreed: record.Flags, Remote: record.Flags, Local: f.Flags,
	})
}

// keepOnServer leaves a message where it is: the disk lacks it on purpose.
func (m *matcher) keepOnServer(row int) {
	message := &m.server.Messages[row]
	m.takenRows[message.UID] = true
	m.Links = append(m.Links, &mailbox.Link{
		Kind: mailbox.KeptRemote, UID: message.UID, Content: mailbox.Content{Size: message.Size}, ContentID: message.ContentID,
		Date: message.Date, Agreed: message.Flags, Remote: message.Flags, Local: message.Flags,
	})
}

// leaveExpired leaves messages on the server that were taken off the disk long
// ago, so that there is no record any more.
func (m *matcher) leaveExpired() {
	recorded := map[mailbox.UID]bool{}
	for i := range m.folder.Records {
		recorded[m.folder.Records[i].UID] = true
	}
	for row := range m.server.Messages {
		uid := m.server.Messages[row].UID
		if uid <= m.folder.ExpiredTo && !recorded[uid] && !m.takenRows[uid] && !m.waiting[uid] {
			m.Expired++
			m.keepOnServer(row)
		}
	}
}

// dropVanished believes that messages were deleted on the server only in a
// mailbox in which everything else that is remembered proves right.
func (m *matcher) dropVanished() {
	if m.Known == 0 || m.Contradicted > 0 || len(m.waiting) > 0 {
		return
	}
	for file, record := range m.vanished {
		if m.takenFiles[file] {
			continue
		}
		m.takenFiles[file] = true
		m.GoneFromServer++
		m.Links = append(m.Links, &mailbox.Link{
			Kind: mailbox.Linked, UID: record.UID, Key: m.files[file].Key, Content: m.files[file].Content,
			Agreed: record.Flags, Remote: record.Flags, Local: record.Flags,
		})
	}
}

// byContent pairs what no record speaks of, or whose numbers mean nothing any
// more: messages of one size and identity, one to one.
func (m *matcher) byContent() {
	open := map[int64][]int{}
	for i := range m.files {
		if f := &m.files[i]; !m.takenFiles[i] && !f.Identity.IsZero() {
			open[f.plain()] = append(open[f.plain()], i)
		}
	}
	for row := range m.server.Messages {
		message := &m.server.Messages[row]
		if m.takenRows[message.UID] || !message.HasSize || m.waiting[message.UID] {
			continue
		}
		likely := slices.Concat(open[message.Size], open[message.Size-tuidField])
		if len(likely) == 0 {
			continue
		}
		identity, told := m.server.Identities[message.UID]
		if !told {
			m.waiting[message.UID] = true
			continue
		}
		for _, file := range likely {
			if f := &m.files[file]; !m.takenFiles[file] && f.Identity == identity && f.fits(message) {
				m.link(file, row, message.Flags.Intersect(f.Flags))
				break
			}
		}
	}
}

// count finishes the report.
func (m *matcher) count() {
	m.Ask = mailbox.UIDs(slices.Collect(maps.Keys(m.waiting))...)
	for i := range m.server.Messages {
		if !m.takenRows[m.server.Messages[i].UID] {
			m.NewOnServer++
		}
	}
	m.NewOnServer -= m.GoneFromDisk
	for i := range m.files {
		if !m.takenFiles[i] {
			m.NewOnDisk++
		}
	}
	slices.SortFunc(m.Links, func(a, b *mailbox.Link) int {
		return cmp.Or(cmp.Compare(a.UID, b.UID), cmp.Compare(a.Key, b.Key))
	})
}
