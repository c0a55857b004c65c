package imapremote

import (
	"context"
	"fmt"
	"strconv"

	"mailferry/syncer/imapremote/wire"
	"mailferry/syncer/mailbox"
)

// maxSetText caps the octets of a set of UIDs in one command. Servers take
// command lines of at least 8,192 octets. (RFC 7162, section 4)
const maxSetText = 8000

// Fetch reads messages with PEEK into the sink, many with one command.
func (a *Account) Fetch(ctx context.Context, ref mailbox.Ref, uids mailbox.UIDSet, part mailbox.Part, sink mailbox.FetchSink) error {
	if uids.IsEmpty() {
		return nil
	}
	wireName, err := a.names.toWire(ref.Name)
	if err != nil {
		return err
	}
	err = a.with(ctx, wireName, false, func(s *session) error {
		return s.raw(ctx, func(x *wire.Exchange) error {
			for rest := uids; !rest.IsEmpty(); {
				some := splitSet(rest, maxSetText)[0]
				if s.caps.has(compressDeflate) && a.down.undecided() {
					some = some.Chunks(probeMessages)[0]
				}
				rest = rest.Minus(some)
				if err := s.compress(x, a.down); err != nil {
					return err
				}
				err := a.down.fetching(s, x, func() error { return s.fetch(x, wireName, ref.UIDValidity, some, part, sink) })
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("%s: %w", ref.Name, err)
	}
	return nil
}

// fetch fetches with one command. A mailbox that is not open is opened in the
// same round trip.
func (s *session) fetch(x *wire.Exchange, wireName string, validity mailbox.UIDValidity, uids mailbox.UIDSet, part mailbox.Part, sink mailbox.FetchSink) error {
	if s.hasOpen(wireName, false) {
		if err := s.ensure(x, wireName, validity, false); err != nil {
			return err
		}
		return x.FetchBodies(uids, part, sink)
	}
	s.selected = selection{}
	return x.SelectAndFetchBodies(s.selectRequest(wireName, false), uids, part, sink, func(selected wire.Selected) error {
		s.opened(wireName, false, selected)
		return s.checkValidity(validity)
	})
}

// splitSet cuts a set into sets of which each takes at most limit octets on a
// command line.
func splitSet(uids mailbox.UIDSet, limit int) []mailbox.UIDSet {
	var sets []mailbox.UIDSet
	first, length := 0, 0
	for i, r := range uids {
		text := digits(r.First) + 1
		if r.Last > r.First {
			text += digits(r.Last) + 1
		}
		if length+text > limit && i > first {
			sets = append(sets, uids[first:i:i])
			first, length = i, 0
		}
		length += text
	}
	if first < len(uids) {
		sets = append(sets, uids[first:])
	}
	return sets
}

func digits(uid mailbox.UID) int { return len(strconv.FormatUint(uint64(uid), 10)) }
