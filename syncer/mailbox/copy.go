package mailbox

import (
	"crypto/sha256"
	"encoding/binary"
)

// ContentID stands for the server's own name of a message's octets: all copies
// of a message have one, and it is never given to another. 0: the server told
// none. (EMAILID: RFC 8474, section 5.1; Gmail: X-GM-MSGID)
type ContentID uint64

// NewContentID shortens a name, of any length, to what is kept of it. item says
// what kind of name it is.
func NewContentID(item string, name []byte) ContentID {
	h := sha256.New()
	h.Write([]byte(item))
	h.Write([]byte{0})
	h.Write(name)
	return ContentID(max(binary.BigEndian.Uint64(h.Sum(nil)), 1))
}

// Likeness is what copies of one message have in common before their octets
// are compared: the ContentID or, where it is 0, Size and Date; for a file Size
// and Hash.
type Likeness struct {
	ContentID ContentID
	Size      int64
	Unix      int64 // of the INTERNALDATE
	Hash      Hash
}

// Copy is a message that the state has in some mailbox.
type Copy struct {
	Mailbox     Name
	UIDValidity UIDValidity
	Link        Link
}

// IsLike reports whether a message is what a Likeness asks for.
func (l *Link) IsLike(w Likeness) bool {
	switch {
	case l.Kind != Linked || l.Content.Size != w.Size:
		return false
	case !w.Hash.IsZero():
		return l.Content.Hash == w.Hash
	case w.ContentID != 0:
		return l.ContentID == w.ContentID
	}
	return l.Date.Known && l.Date.Unix == w.Unix
}
