package imapremote

import (
	"fmt"

	"mailferry/syncer/imapremote/wire"
	"mailferry/syncer/mailbox"
)

// runPart looks at part of a mailbox that has more messages than the caller
// wants to hear of at a time: at those that it names, or at the first new ones.
func (v *survey) runPart(request wire.SelectRequest, open func(wire.Selected) error) error {
	selected, err := v.x.Select(request)
	if err != nil {
		return err
	}
	if err := open(selected); err != nil {
		return err
	}
	if !v.since.Only.IsEmpty() {
		return v.only()
	}
	return v.begin()
}

// only describes messages that an earlier look left for later. Those that the
// server still has and does not describe are spoiled.
func (v *survey) only() error {
	if now, then := v.found.Status.UIDValidity, v.since.Remote.UIDValidity; now != then {
		return fmt.Errorf("%w: %d is now %d", mailbox.ErrUIDValidity, then, now)
	}
	if err := v.describe(v.since.Only); err != nil {
		return err
	}
	v.settle()
	v.found.Complete = !v.trouble
	if v.trouble || len(v.rows) == v.since.Only.Len() {
		return nil
	}
	present, ok, err := v.list()
	if err != nil {
		return err
	}
	if v.found.Complete = ok; ok {
		v.found.Spoiled = v.found.Spoiled.Union(intersect(v.since.Only, present).Minus(v.listed()))
	}
	return nil
}

// begin lists all UIDs and describes what changed of the known messages and
// the first of the new ones. Where the list cannot be had in full, so that
// nobody knew what is left, everything is described.
func (v *survey) begin() error {
	how := v.plan()
	if !v.holds(how) {
		how = everything
	}
	if how != everything {
		known := v.request(how)
		known.UIDs, known.From = mailbox.Range(1, v.floor-1), 0
		err := v.x.Fetch(known, v.take)
		if err != nil && !isPlainRefusal(err) {
			return err
		}
		if err != nil {
			how, v.rows, v.floor = everything, nil, 0
		}
	}
	present, ok, err := v.list()
	if err != nil {
		return err
	}
	if !ok {
		v.rows, v.floor = nil, 0
		if err := v.x.Fetch(v.request(everything), v.take); err != nil {
			return err
		}
		return v.finish(everything)
	}
	fresh := present.From(v.floor)
	if next := v.found.Status.UIDNext; next != 0 {
		fresh = fresh.Minus(mailbox.Range(next, mailbox.MaxUID)) // the next run's
	}
	first, rest := fresh.First(max(v.since.Limit, 0))
	if err := v.describe(first); err != nil {
		return err
	}
	v.settle()
	v.found.Delta = how == changes
	if v.trouble {
		return nil
	}
	if int(v.x.Exists()) != present.Len() {
		if present, ok, err = v.list(); err != nil || !ok {
			return err
		}
	}
	v.found.Complete, v.found.HasPresent, v.found.Present = true, true, present
	v.found.Rest = intersect(rest, present)
	v.missing()
	return nil
}

// describe asks for all items of some messages.
func (v *survey) describe(uids mailbox.UIDSet) error {
	for _, some := range splitSet(uids, maxSetText) {
		req := v.request(everything)
		req.From, req.UIDs = 0, some
		if err := v.x.Fetch(req, v.take); err != nil {
			return err
		}
	}
	return nil
}

func intersect(a, b mailbox.UIDSet) mailbox.UIDSet { return a.Minus(a.Minus(b)) }
