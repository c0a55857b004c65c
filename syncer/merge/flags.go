package merge

import (
	"cmp"
	"context"
	"path"
	"slices"
	"strings"

	"mailferry/syncer"
	"mailferry/syncer/mailbox"
)

// spread are the flags that are added to messages that the target has already:
// those that every server keeps.
var spread = mailbox.NewFlags(mailbox.FlagSeen, mailbox.FlagAnswered, mailbox.FlagFlagged)

// FlagGap is messages of one mailbox of the target that lack flags which other
// copies have.
type FlagGap struct {
	Ref  mailbox.Ref
	Add  mailbox.Flags
	UIDs mailbox.UIDSet // of a server's messages
	Keys []mailbox.Key  // of a store's
}

// FlagGaps finds what was read, answered or starred on one PC and not on the
// target, sorted by mailbox.
func (u *Union) FlagGaps() ([]FlagGap, error) {
	type group struct {
		box      int32
		validity int64
		add      string
	}
	found := map[group]*FlagGap{}
	uids := map[group][]mailbox.UID{}
	for i := range u.Len() {
		copies := u.group(i)
		flags := u.flags(copies).Intersect(spread)
		for _, at := range copies {
			c := &u.copies[at]
			add := flags.Minus(u.flagsOf(c))
			if int(c.source) != u.target || add.IsEmpty() {
				continue
			}
			unit, _, err := u.record(c)
			if err != nil {
				return nil, err
			}
			g := group{c.box, 0, add.String()}
			if unit.Format == FormatRemote {
				g.validity = unit.Stamp
			}
			if found[g] == nil {
				found[g] = &FlagGap{Ref: mailbox.Ref{Name: unit.Mailbox, UIDValidity: mailbox.UIDValidity(g.validity)}, Add: add}
			}
			if unit.Format == FormatRemote {
				uids[g] = append(uids[g], uidOf(unit))
			} else {
				found[g].Keys = append(found[g].Keys, mailbox.Key(path.Base(unit.Key)))
			}
		}
	}
	var gaps []FlagGap
	for g, gap := range found {
		gap.UIDs = mailbox.UIDs(uids[g]...)
		gaps = append(gaps, *gap)
	}
	slices.SortFunc(gaps, func(a, b FlagGap) int {
		return cmp.Or(strings.Compare(string(a.Ref.Name), string(b.Ref.Name)), strings.Compare(a.Add.String(), b.Add.String()), cmp.Compare(a.Ref.UIDValidity, b.Ref.UIDValidity))
	})
	return gaps, nil
}

// Len counts the messages.
func (g *FlagGap) Len() int { return g.UIDs.Len() + len(g.Keys) }

// FillRemote adds the flags on a server.
func (g *FlagGap) FillRemote(ctx context.Context, server syncer.RemoteMessages) error {
	_, err := server.StoreFlags(ctx, g.Ref, g.UIDs, mailbox.FlagChange{Add: g.Add}, 0)
	return err
}

// FillLocal adds the flags in a Maildir tree.
func (g *FlagGap) FillLocal(ctx context.Context, disk syncer.LocalMessages) error {
	for _, key := range g.Keys {
		if _, err := disk.ChangeFlags(ctx, g.Ref.Name, key, mailbox.FlagChange{Add: g.Add}); err != nil {
			return err
		}
	}
	return disk.Flush(ctx)
}
