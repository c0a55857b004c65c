package imapremote

import (
	"errors"
	"time"

	"mailferry/syncer/imapremote/wire"
	"mailferry/syncer/mailbox"
)

// earliest is a date that every server takes, whatever zone it counts in.
var earliest = mailbox.DateOf(time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC))

// mayBeDate reports whether a message may have been refused for its date.
// Cyrus answers BAD to those before 1970.
func mayBeDate(date mailbox.Date, refusal error) bool {
	var refused *mailbox.ServerError
	return date.Known && date.Unix < earliest.Unix && errors.As(refusal, &refused) && refused.Kind == nil && refused.Status != "BYE"
}

// sendAncient sends the messages that may have been refused for their date
// once more, with the earliest one. What is refused again was not for the date.
func (b *batch) sendAncient() error {
	if len(b.ancient) == 0 {
		return nil
	}
	req := wire.AppendRequest{Name: b.wireName, Mode: b.mode()}
	for _, i := range b.ancient {
		upload := b.uploads[i]
		upload.Date = earliest
		req.Uploads = append(req.Uploads, upload)
	}
	return b.x.Append(req, func(n int, at mailbox.Appended, err error) error {
		if err == nil {
			at.Redated = earliest
		}
		b.done(b.ancient[n], at, err)
		return nil
	})
}
