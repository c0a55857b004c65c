package verify

import (
	"bytes"
	"context"
	"mime"
	"net/mail"
)

// headerOctets bounds what is read of a message for its subject.
const headerOctets = 64 << 10

// Describe fills in the subjects of the first limit differences, so that a
// person knows which messages they are. One that cannot be had stays empty.
func (r *Report) Describe(ctx context.Context, opts Options, limit int) {
	boxes := map[string]*MailboxReport{}
	for i := range r.Mailboxes {
		boxes[string(r.Mailboxes[i].Name)] = &r.Mailboxes[i]
	}
	for i := range r.Differences {
		d := &r.Differences[i]
		box := boxes[string(d.Mailbox)]
		if i >= limit || ctx.Err() != nil {
			return
		}
		if box == nil || d.Kind == Mailbox {
			continue
		}
		var octets []byte
		if d.Key != "" {
			octets, _ = opts.Here.Header(ctx, box.RefHere, d.UID, d.Key)
		} else if opts.There != nil && d.Kind == MissingHere {
			octets, _ = opts.There.Header(ctx, box.RefThere, d.UID, "")
		}
		d.Subject = subjectOf(octets)
	}
}

func subjectOf(octets []byte) string {
	message, err := mail.ReadMessage(bytes.NewReader(append(octets, "\r\n\r\n"...)))
	if err != nil {
		return ""
	}
	raw := message.Header.Get("Subject")
	if decoded, err := new(mime.WordDecoder).DecodeHeader(raw); err == nil {
		return decoded
	}
	return raw
}
