package wire

import (
	"errors"
	"fmt"

	"mailferry/syncer/mailbox"
)

// statusWindow is how many STATUS commands are in flight: few enough for both
// sides' socket buffers to hold them and their answers.
const statusWindow = 64

// StatusRow is one answer of StatusAll.
type StatusRow struct {
	// Name is in wire octets, as it was asked for.
	Name   string
	Status mailbox.Status
	// Err is this mailbox's refusal, or that its answer cannot be read.
	Err error
}

// Status asks for one mailbox's state; name is in wire octets. An answer that
// cannot be read is ErrProtocol without closing the stream.
func (x *Exchange) Status(name string, highestModSeq bool) (mailbox.Status, error) {
	var row StatusRow
	err := x.StatusAll([]string{name}, highestModSeq, func(r StatusRow) error {
		row = r
		return nil
	})
	if err == nil {
		err = row.Err
	}
	return row.Status, err
}

// StatusAll asks for many mailboxes' states in pipelined commands and hands
// them over in the order of names.
func (x *Exchange) StatusAll(names []string, highestModSeq bool, row func(StatusRow) error) error {
	var stopped error
	for len(names) > 0 && stopped == nil {
		n := min(len(names), statusWindow)
		queries := make([]*statusQuery, n)
		for i, name := range names[:n] {
			q := &statusQuery{x: x, name: name}
			q.cmd = &command{name: "STATUS", data: q.data}
			queries[i] = q
			if err := x.begin(q.cmd, words(" "), stringArg(name), words(" "+statusItems(highestModSeq, false))); err != nil {
				return err
			}
		}
		for _, q := range queries {
			r, err := q.await()
			if err != nil {
				return err
			}
			if stopped == nil {
				stopped = row(r)
			}
		}
		names = names[n:]
	}
	return stopped
}

type statusQuery struct {
	x     *Exchange
	name  string
	cmd   *command
	found bool
	got   statusAnswer
}

func (q *statusQuery) data(a answer) (bool, error) {
	if string(a.kind) != "STATUS" {
		return false, nil
	}
	p := &q.x.c.parser
	st, err := p.statusAnswer()
	if err != nil && (!errors.Is(err, errSyntax) || errors.Is(err, mailbox.ErrProtocol)) {
		return true, err
	}
	if foldInbox(st.name) == foldInbox(q.name) {
		st.err = err
		q.found, q.got = true, st
	}
	return true, p.skipAnswer()
}

// await returns the row; the error is the stream's.
func (q *statusQuery) await() (StatusRow, error) {
	row := StatusRow{Name: q.name}
	err := q.x.await(q.cmd)
	switch {
	case err != nil && q.cmd.refusal == nil:
		return row, err
	case err != nil:
		row.Err = err
	case !q.found:
		row.Err = fmt.Errorf("%w: STATUS was answered without data", mailbox.ErrProtocol)
	case q.got.err != nil:
		row.Err = asProtocol(q.got.err)
	default:
		row.Status = q.got.status
	}
	return row, nil
}
