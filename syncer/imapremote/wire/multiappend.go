package wire

import (
	"fmt"
	"math"
	"strings"

	"mailferry/syncer/mailbox"
)

// appendMulti sends all uploads in one command. (RFC 3502)
func (x *Exchange) appendMulti(req AppendRequest, done func(int, mailbox.Appended, error) error) error {
	cmd := &command{name: "APPEND"}
	if err := x.beginMulti(cmd, req); err != nil || cmd.answered {
		return x.multiDone(cmd, req, done, err)
	}
	for i, upload := range req.Uploads {
		err := x.multiOne(cmd, req, upload)
		if cmd.answered {
			break
		}
		if err != nil {
			if stop := done(i, mailbox.Appended{}, err); stop != nil {
				return stop
			}
			return err
		}
	}
	if !cmd.answered {
		x.out.WriteString("\r\n")
		err := x.await(cmd)
		return x.multiDone(cmd, req, done, err)
	}
	return x.multiDone(cmd, req, done, nil)
}

// beginMulti writes the command up to the mailbox's name.
func (x *Exchange) beginMulti(cmd *command, req AppendRequest) error {
	cmd.tag = x.nextTag()
	x.pending = append(x.pending, cmd)
	fmt.Fprintf(x.out, "%s APPEND ", cmd.tag)
	if !isQuotable(req.Name) {
		return x.literal(cmd, req.Name)
	}
	_, err := x.out.WriteString(quote(req.Name))
	return err
}

// multiOne writes one message of a MULTIAPPEND. After an error of the message
// itself the stream is closed: the command cannot be taken back otherwise.
func (x *Exchange) multiOne(cmd *command, req AppendRequest, upload mailbox.Upload) error {
	source, err := upload.Open()
	if err == nil {
		defer source.Close()
		wait := req.waits(upload.Size)
		x.out.WriteString(" " + appendArguments(upload) + literalHeader(upload.Size, wait))
		if wait {
			if err := x.awaitContinuation(cmd); err != nil || cmd.answered {
				return err
			}
		}
		err = x.copyLiteral(source, upload.Size)
	}
	if err == nil {
		return nil
	}
	x.broken(fmt.Errorf("%w: append: %w", mailbox.ErrNetwork, err))
	return fmt.Errorf("append: %w", err)
}

// multiDone reports one answer for all messages.
func (x *Exchange) multiDone(cmd *command, req AppendRequest, done func(int, mailbox.Appended, error) error, err error) error {
	var refusal error
	if cmd.refusal != nil {
		refusal = cmd.refusal
	} else if err != nil {
		return err
	}
	uids := multiUIDs(cmd.result, len(req.Uploads))
	for i := range req.Uploads {
		var at mailbox.Appended
		if refusal == nil && uids != nil {
			at = uids[i]
		}
		if err := done(i, at, refusal); err != nil {
			return err
		}
	}
	return nil
}

// multiUIDs reads the set in APPENDUID, which is in the order of the messages;
// nil unless it has as many as were sent.
func multiUIDs(st statusText, n int) []mailbox.Appended {
	if st.Code != "APPENDUID" {
		return nil
	}
	validity, uids, _ := strings.Cut(st.Args, " ")
	set, err := parseSet([]byte(uids))
	if err != nil || n > math.MaxInt32 || set.Len() != n || number32(validity) == 0 {
		return nil
	}
	list := make([]mailbox.Appended, 0, n)
	for uid := range set.All() {
		list = append(list, mailbox.Appended{UIDValidity: mailbox.UIDValidity(number32(validity)), UID: uid})
	}
	return list
}
