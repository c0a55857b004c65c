package imapremote

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"mailferry/syncer/imapremote/wire"
	"mailferry/syncer/mailbox"
)

// A group is what one MULTIAPPEND carries. Its messages are open at the same
// time, and all of them are unknown when its answer is lost. Measured against
// Dovecot a group is five times as fast as pipelined commands: it commits once.
const (
	groupMessages = 100
	groupOctets   = 8 << 20
)

// spreadMessages is how many uploads a connection takes at a time where all
// share a mailbox's.
const spreadMessages = 10

// Append uploads messages. With MULTIAPPEND (RFC 3502) small ones go in groups,
// which a server takes or refuses as a whole; of a refused group each message
// is sent again by itself after the others, so Open is called again, and only
// the one that the server does not want is refused. With LITERAL+ all is sent
// without waiting for an answer, and without it on several connections: then
// done is not called in order.
func (a *Account) Append(ctx context.Context, name mailbox.Name, uploads []mailbox.Upload, done func(i int, at mailbox.Appended, err error)) error {
	if a.opts.ReadOnly {
		return errReadOnly
	}
	wireName, err := a.names.toWire(name)
	if err != nil {
		return err
	}
	if !a.caps.has("LITERAL+") {
		err = a.appendSpread(ctx, wireName, uploads, done)
	} else {
		err = a.appendSome(ctx, wireName, uploads, done)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// appendSome uploads on one connection.
func (a *Account) appendSome(ctx context.Context, wireName string, uploads []mailbox.Upload, done func(i int, at mailbox.Appended, err error)) error {
	return a.with(ctx, "", false, func(s *session) error {
		return s.raw(ctx, func(x *wire.Exchange) error {
			b := &batch{s: s, x: x, up: a.up, wireName: wireName, uploads: uploads, done: done}
			return b.run()
		})
	})
}

// appendSpread uploads on as many connections as there are: each waits for the
// server before each message. They take turns after a few messages, so that the
// mailbox's order is nearly kept. After trouble on one of them the others finish
// what they have begun.
func (a *Account) appendSpread(ctx context.Context, wireName string, uploads []mailbox.Upload, done func(i int, at mailbox.Appended, err error)) error {
	var (
		workers sync.WaitGroup
		mu      sync.Mutex // guards next and errs, and done
		next    int
		errs    []error
	)
	take := func() (first int, some []mailbox.Upload) {
		mu.Lock()
		defer mu.Unlock()
		if len(errs) > 0 {
			return 0, nil
		}
		first = next
		next = min(next+spreadMessages, len(uploads))
		return first, uploads[first:next]
	}
	for range min(a.opts.Connections, (len(uploads)+spreadMessages-1)/spreadMessages) {
		workers.Go(func() {
			for first, some := take(); len(some) > 0; first, some = take() {
				err := a.appendSome(ctx, wireName, some, func(i int, at mailbox.Appended, err error) {
					mu.Lock()
					defer mu.Unlock()
					done(first+i, at, err)
				})
				if err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
				}
			}
		})
	}
	workers.Wait()
	return errors.Join(errs...)
}

// batch is one Append.
type batch struct {
	s        *session
	x        *wire.Exchange
	up       *squeeze
	wireName string
	uploads  []mailbox.Upload
	done     func(i int, at mailbox.Appended, err error)
	// ancient are those that were refused, perhaps for their date.
	ancient []int
}

// run answers the uploads that the server would refuse for their size by
// itself, and sends the others in order.
func (b *batch) run() error {
	limit := b.s.caps.appendLimit()
	if limit == 0 {
		limit = math.MaxInt64
	}
	var fits []int
	for i, upload := range b.uploads {
		if upload.Size > limit {
			b.done(i, mailbox.Appended{}, fmt.Errorf("%w: %d octets, and the server takes %d", mailbox.ErrTooLarge, upload.Size, limit))
			continue
		}
		fits = append(fits, i)
	}
	var groups []int
	if b.s.caps.has("MULTIAPPEND") {
		groups = b.group(fits)
	}
	refused, err := b.sendAll(fits, groups)
	if err == nil && len(refused) > 0 {
		_, err = b.send(refused, nil)
	}
	if err != nil {
		return err
	}
	return b.sendAncient()
}

// group says how many of the uploads go together. A literal of no octets calls
// a MULTIAPPEND off, so an empty message goes alone. (RFC 3502, section 3)
func (b *batch) group(indexes []int) []int {
	var groups []int
	n, octets := 0, int64(0)
	end := func() {
		if n > 0 {
			groups = append(groups, n)
		}
		n, octets = 0, 0
	}
	for _, i := range indexes {
		size := b.uploads[i].Size
		if size == 0 || n == groupMessages || octets+size > groupOctets {
			end()
		}
		n, octets = n+1, octets+size
		if size == 0 {
			end()
		}
	}
	end()
	return groups
}

// sendAll sends in one go, or in pieces as long as the line is measured.
func (b *batch) sendAll(indexes, groups []int) (refused []int, err error) {
	for len(indexes) > 0 {
		n, g := len(indexes), len(groups)
		if b.s.caps.has(compressDeflate) && b.up.undecided() {
			n, g = b.probe(indexes, groups)
		}
		if err := b.s.compress(b.x, b.up); err != nil {
			return refused, err
		}
		some, err := b.measured(indexes[:n], groups[:g])
		refused = append(refused, some...)
		if err != nil {
			return refused, err
		}
		indexes, groups = indexes[n:], groups[g:]
	}
	return refused, nil
}

// probe says how many uploads, and groups of them, make a piece to measure.
func (b *batch) probe(indexes, groups []int) (n, g int) {
	octets := int64(0)
	for n < len(indexes) && octets < probeOctets {
		size := 1
		if groups != nil {
			size = groups[g]
			g++
		}
		for _, i := range indexes[n : n+size] {
			octets += b.uploads[i].Size
		}
		n += size
	}
	return n, g
}

// measured sends, and tells how fast that was.
func (b *batch) measured(indexes, groups []int) (refused []int, err error) {
	octets := int64(0)
	for _, i := range indexes {
		octets += b.uploads[i].Size
	}
	b.up.enter()
	begun := time.Now()
	_, before := b.s.conn.Waited()
	refused, err = b.send(indexes, groups)
	_, after := b.s.conn.Waited()
	b.up.leaveAs(b.s, b.x, octets, time.Since(begun), after-before)
	return refused, err
}

// send uploads those of the indexes, in groups or, with nil, one by one. It
// returns those that were refused with their group and may not be to blame.
func (b *batch) send(indexes, groups []int) (refused []int, err error) {
	req := wire.AppendRequest{Name: b.wireName, Groups: groups, Mode: b.mode()}
	if len(groups) == 0 {
		req.Groups = nil
	}
	for _, i := range indexes {
		req.Uploads = append(req.Uploads, b.uploads[i])
	}
	var shared []bool // the upload's command carries others, too
	for _, n := range groups {
		for range n {
			shared = append(shared, n > 1)
		}
	}
	err = b.x.Append(req, func(n int, at mailbox.Appended, err error) error {
		if len(shared) > 0 && shared[n] && isOfOne(err) {
			refused = append(refused, indexes[n])
		} else if mayBeDate(b.uploads[indexes[n]].Date, err) {
			b.ancient = append(b.ancient, indexes[n])
		} else {
			b.done(indexes[n], at, err)
		}
		return nil
	})
	return refused, err
}

func (b *batch) mode() wire.AppendMode {
	switch {
	case b.s.caps.has("LITERAL+"):
		return wire.AppendLiteralPlus
	case b.s.caps.has("LITERAL-"):
		return wire.AppendLiteralMinus
	}
	return wire.AppendSync
}

// isOfOne reports whether a group was refused for what may be one message's
// fault. A missing mailbox or a busy server concerns all.
func isOfOne(refusal error) bool {
	var refused *mailbox.ServerError
	return errors.As(refusal, &refused) && !errors.Is(refusal, mailbox.ErrUnavailable) && !errors.Is(refusal, mailbox.ErrNotFound)
}
