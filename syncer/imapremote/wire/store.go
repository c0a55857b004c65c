package wire

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"mailferry/syncer/mailbox"
)

// StoreRequest changes flags. (RFC 9051, section 6.4.6)
type StoreRequest struct {
	UIDs  mailbox.UIDSet
	Flags mailbox.Flags
	// Remove takes the flags away instead of adding them.
	Remove bool
	// UnchangedSince, if not 0, spares messages changed later; requires
	// CONDSTORE. (RFC 7162, section 3.1.3)
	UnchangedSince mailbox.ModSeq
}

// Store changes flags silently and returns the UIDs that UnchangedSince
// spared, also beside a NO. Nothing is sent for an empty set or no flags. An OK
// is the server's word only: what it stored, a FETCH tells.
func (x *Exchange) Store(req StoreRequest) (modified mailbox.UIDSet, err error) {
	if req.UIDs.IsEmpty() || req.Flags.IsEmpty() {
		return nil, nil
	}
	text := " " + req.UIDs.String()
	if req.UnchangedSince != 0 {
		text += " (UNCHANGEDSINCE " + strconv.FormatUint(uint64(req.UnchangedSince), 10) + ")"
	}
	sign := " +"
	if req.Remove {
		sign = " -"
	}
	cmd := &command{name: "UID STORE"}
	err = x.do(cmd, words(text+sign+"FLAGS.SILENT ("+strings.Join(req.Flags.Names(), " ")+")"))
	if cmd.answered && cmd.result.Code == "MODIFIED" {
		set, broken := parseSet([]byte(cmd.result.Args))
		if broken != nil {
			// Which ones were spared cannot be read: then none may be relied on.
			set = req.UIDs
		}
		modified = set
	}
	return modified, err
}

// Expunge removes those of uids that are marked \Deleted, and no others;
// requires UIDPLUS. It returns how many messages the server said went away
// meanwhile, by whomever. Nothing is sent for an empty set. (RFC 4315, section
// 2.1)
func (x *Exchange) Expunge(uids mailbox.UIDSet) (expunged int, err error) {
	if uids.IsEmpty() {
		return 0, nil
	}
	cmd := &command{name: "UID EXPUNGE"}
	cmd.data = func(a answer) (bool, error) {
		before := x.c.exists
		switch string(a.kind) {
		case "EXPUNGE", "VANISHED":
			if err := x.c.notice(a); err != nil {
				return true, err
			}
			expunged += int(before - x.c.exists)
			return true, x.stray()
		}
		return false, nil
	}
	err = x.do(cmd, words(" "+uids.String()))
	if err != nil && !errors.As(err, new(*mailbox.ServerError)) {
		err = fmt.Errorf("after %d expunged: %w", expunged, err)
	}
	return expunged, err
}
