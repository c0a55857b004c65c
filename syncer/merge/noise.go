package merge

import (
	"bytes"
	"strconv"
	"strings"

	"mailferry/syncer/mailbox"
)

// level says which header fields are left out of a message's wire form again.
// All of them are left out of its identity.
type level uint8

const (
	// asIs keeps every octet: what a server hands over is the message.
	asIs level = iota
	// ofClients leaves out what mail programs write into files of any kind.
	ofClients
	// ofMbox leaves out what they keep in mbox files besides.
	ofMbox
)

// noise names the fields that clients add to messages on delivery, in lower
// case, and from which level on they are left out.
var noise = map[string]level{
	"x-mozilla-status":  ofClients,
	"x-mozilla-status2": ofClients,
	"x-mozilla-keys":    ofClients,
	"x-account-key":     ofClients,
	"x-uidl":            ofClients,
	"x-tuid":            ofClients, // mbsync
	"status":            ofMbox,
	"x-status":          ofMbox,
	"x-keywords":        ofMbox,
	"x-uid":             ofMbox,
	"x-imap":            ofMbox,
	"x-imapbase":        ofMbox,
	"content-length":    ofMbox,
	"x-gm-thrid":        ofMbox, // Google Takeout
	"x-gmail-labels":    ofMbox,
}

// noiseLevel returns from which level on a field is left out, 0 for one that
// belongs to the message.
func noiseLevel(name []byte) level {
	if len(name) == 0 || len(name) > 32 {
		return 0
	}
	switch name[0] {
	case 'x', 'X', 's', 'S', 'c', 'C':
	default:
		return 0
	}
	lower := strings.ToLower(string(name))
	if l, ok := noise[lower]; ok {
		return l
	}
	if strings.HasPrefix(lower, "x-mozilla-") {
		return ofClients
	}
	return 0
}

// marks is what a message's own header says about its flags.
type marks struct {
	names []string
	// expunged says that the client deleted the message and has not compacted
	// the file yet.
	expunged bool
	// bad says that a field could not be read.
	bad bool
}

// Bits of X-Mozilla-Status (nsMsgMessageFlags).
const (
	mozillaRead      = 0x0001
	mozillaReplied   = 0x0002
	mozillaMarked    = 0x0004
	mozillaExpunged  = 0x0008
	mozillaForwarded = 0x1000
	// of X-Mozilla-Status2
	mozillaIMAPDeleted = 0x00200000
)

// read takes what a field says.
func (m *marks) read(name string, value []byte) {
	value = bytes.TrimSpace(value)
	switch name {
	case "x-mozilla-status":
		bits, err := strconv.ParseUint(string(value), 16, 32)
		if err != nil {
			m.bad = true
			return
		}
		m.set(bits&mozillaRead != 0, mailbox.FlagSeen)
		m.set(bits&mozillaReplied != 0, mailbox.FlagAnswered)
		m.set(bits&mozillaMarked != 0, mailbox.FlagFlagged)
		m.set(bits&mozillaForwarded != 0, mailbox.FlagForwarded)
		m.expunged = m.expunged || bits&mozillaExpunged != 0
	case "x-mozilla-status2":
		bits, err := strconv.ParseUint(string(value), 16, 64)
		if err != nil {
			m.bad = true
			return
		}
		m.set(bits&mozillaIMAPDeleted != 0, mailbox.FlagDeleted)
	case "x-mozilla-keys", "x-keywords":
		for _, keyword := range strings.Fields(string(value)) {
			m.set(mailbox.IsKeyword(keyword), keyword)
		}
	case "status":
		m.set(bytes.IndexByte(value, 'R') >= 0, mailbox.FlagSeen)
	case "x-status":
		m.set(bytes.IndexByte(value, 'A') >= 0, mailbox.FlagAnswered)
		m.set(bytes.IndexByte(value, 'F') >= 0, mailbox.FlagFlagged)
		m.set(bytes.IndexByte(value, 'D') >= 0, mailbox.FlagDeleted)
		m.set(bytes.IndexByte(value, 'T') >= 0, mailbox.FlagDraft)
	}
}

func (m *marks) set(on bool, flag string) {
	if on {
		m.names = append(m.names, flag)
	}
}

func (m *marks) flags() mailbox.Flags { return mailbox.NewFlags(m.names...) }
