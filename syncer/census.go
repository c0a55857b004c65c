package syncer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// stampGranularity is how coarse a file system's clock may be: a folder that
// changed so shortly before it was listed may have changed again unnoticed.
const stampGranularity = 2 * time.Second

// box is one mailbox in one run.
type box struct {
	name mailbox.Name
	// formerly is the server's name for it while that is yet to be renamed.
	formerly mailbox.Name
	// listed is nil for a mailbox that the server's listing does not have.
	listed *mailbox.Listed
	// remoteSame and localSame say that the checkpoint proves that nothing
	// changed there.
	remoteSame, localSame bool
	// isOut says that the mailbox is left alone in this run, for a reason
	// that was reported.
	isOut bool
	// halted says that something was left undone: no checkpoint.
	halted bool
	// isElsewhere says that the mailbox is gone, or is no longer the one that
	// was looked at: what was left for later has no meaning any more.
	isElsewhere bool

	// parent is the mailbox that this one is below, if it takes part.
	parent *box
	// creation makes the mailbox on the server, with others, if that is to be
	// done, and created is what became of it.
	creation *creation
	created  *created
	// prepared guards unready: why the mailbox could not be prepared.
	prepared sync.Once
	unready  error

	// doubted are messages that the server answered in two ways.
	doubted mailbox.UIDSet
	// staysOnServer says that messages could only be marked \Deleted.
	staysOnServer bool
	// appended are the UIDs that this run's uploads were given.
	appended mailbox.UIDSet
	// pending are the uploads that this run began, or an earlier one.
	pending map[mailbox.Key]bool
	// accepted are uploads that the server took without a UID to believe.
	accepted []mailbox.LinkID

	// odd, files and newKeys are what the snapshots are made of: links that no
	// plan leaves out, the folder's listing, and what of it the base lacks.
	odd     oddLinks
	files   []mailbox.LocalFile
	newKeys []mailbox.Key
	// keepsAll: nothing is left out of the snapshots. unaccounted: base and
	// server contradict each other.
	keepsAll, unaccounted bool

	// limit is Since.Limit of the first look, rest what it left for later
	// rounds, and window what the round at hand takes of that.
	limit        int
	rest, window mailbox.UIDSet
	// pool has what is matched in parts, of which part is the one at hand.
	// It has either files that the base does not know or links without UIDs.
	pool      *plan.Pool
	part      plan.Part
	isOfFiles bool
	// former is the UIDValidity that the links' UIDs belonged to, if the server
	// numbered anew; mustUnnumber, that the state still has them. Of the
	// messages toMatch so many were matched.
	former           *mailbox.UIDValidity
	mustUnnumber     bool
	toMatch, matched int
	// unsettled, localUnsettled and wrote keep what earlier rounds' plans said.
	unsettled, localUnsettled, wrote bool

	// again is the mailbox for the look after the changes: known is what that
	// look begins with, and glance what it found, if it was taken already.
	again  *box
	known  mailbox.Since
	glance *mailbox.Observation

	base   plan.Base
	remote plan.Remote
	local  plan.Local
	plan   plan.Plan
}

// ref names the mailbox as the server knows it now.
func (b *box) ref() mailbox.Ref {
	return mailbox.Ref{Name: cmp.Or(b.formerly, b.name), UIDValidity: b.remote.Status.UIDValidity}
}

// row returns what the server said of a message, nil if it said nothing.
func (b *box) row(uid mailbox.UID) *mailbox.RemoteMessage {
	i, ok := slices.BinarySearchFunc(b.remote.Messages, uid, func(m mailbox.RemoteMessage, uid mailbox.UID) int {
		return cmp.Compare(m.UID, uid)
	})
	if !ok {
		return nil
	}
	return &b.remote.Messages[i]
}

// census lists both sides and returns the mailboxes that may have changed,
// sorted by name, and how many messages the others have.
func (r *run) census(ctx context.Context) (boxes []*box, untouched int, err error) {
	r.tally.advance(func(p *Progress) { p.Phase = "looking" })
	known, listed, folders, err := r.listBothSides(ctx)
	if err != nil {
		return nil, 0, err
	}
	byName := map[mailbox.Name]*box{}
	at := func(name mailbox.Name) *box {
		if byName[name] == nil {
			byName[name] = &box{
				name:   name,
				base:   plan.Base{Known: mailbox.Known{Name: name}},
				remote: plan.Remote{Missing: true},
				local:  plan.Local{Missing: true},
			}
		}
		return byName[name]
	}
	r.reportLeftOut()
	var trash mailbox.Name
	for i := range listed {
		b := at(listed[i].Name)
		b.listed, b.remote.Missing = &listed[i], false
		isTrash := func(attribute string) bool { return strings.EqualFold(attribute, `\Trash`) }
		if slices.ContainsFunc(listed[i].Attributes, isTrash) && trash == "" {
			trash = listed[i].Name
		}
	}
	for _, name := range folders {
		at(name).local.Missing = false
	}
	for _, k := range known {
		at(k.Name).base.Known = k
	}
	for _, b := range byName {
		if r.Selects != nil && !r.Selects(b.name) {
			continue
		}
		b.remote.Trash = trash
		boxes = append(boxes, b)
	}
	slices.SortFunc(boxes, func(a, b *box) int { return cmp.Compare(a.name, b.name) })
	r.tally.mailboxes(len(boxes))
	return r.changed(ctx, boxes)
}

// reportLeftOut tells of mailboxes that have no name here.
func (r *run) reportLeftOut() {
	if r.LeftOut == nil {
		return
	}
	for _, left := range r.LeftOut() {
		name := mailbox.Name(left.Text)
		if name != "" && r.Selects != nil && !r.Selects(name) {
			continue
		}
		r.tally.trouble(name, fmt.Errorf("the mailbox is left out: %w", left.Err))
	}
}

func (r *run) listBothSides(ctx context.Context) (known []mailbox.Known, listed []mailbox.Listed, folders []mailbox.Name, err error) {
	if known, err = r.Base.Mailboxes(ctx); err != nil {
		return nil, nil, nil, fmt.Errorf("state: %w", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		if listed, err = r.Remote.List(ctx); err != nil || r.Listed == nil {
			return err
		}
		return r.Listed(listed)
	})
	group.Go(func() (err error) {
		folders, err = r.Local.Folders(ctx)
		return err
	})
	return known, listed, folders, group.Wait()
}

// changed leaves out the mailboxes that both checkpoints prove unchanged, and
// proves the absence of those that the server's listing lacks.
func (r *run) changed(ctx context.Context, boxes []*box) (touched []*box, untouched int, err error) {
	for _, b := range boxes {
		known := b.base.Known
		if b.listed != nil {
			status := b.listed.Status
			b.remoteSame = known.HasRemote && status != nil && *status == known.Remote &&
				status.HighestModSeq != 0 && status.UIDValidity != 0
		} else if known.HasRemote {
			r.proveMissing(ctx, b)
		}
		isFresh, err := r.stay(ctx, b)
		if err != nil {
			return nil, 0, err
		}
		if isFresh {
			touched = append(touched, b)
			continue
		}
		if !b.local.Missing && known.HasLocal {
			stamp, err := r.Local.Stamp(ctx, b.name)
			b.localSame = err == nil && isSameStamp(known.Local, stamp)
		}
		if b.remoteSame && b.localSame && !r.Policy.LooksAtAll() {
			untouched += known.Links
			continue
		}
		touched = append(touched, b)
	}
	return touched, untouched, ctx.Err()
}

// proveMissing asks for a mailbox that is not in the listing: an omission is
// no proof of its deletion.
func (r *run) proveMissing(ctx context.Context, b *box) {
	exists, err := r.Remote.Exists(ctx, b.name)
	switch {
	case err != nil:
		b.isOut = true
		r.tally.trouble(b.name, fmt.Errorf("is it gone from the server? %w", err))
	case !exists && b.name == mailbox.Inbox:
		// Every account has one. (RFC 9051, section 5.1)
		b.isOut = true
		r.tally.trouble(b.name, fmt.Errorf("%w: the server says that there is no INBOX; it is left alone", mailbox.ErrProtocol))
	case exists:
		b.listed = &mailbox.Listed{Name: b.name}
		b.remote.Missing = false
	}
}

func isSameStamp(known, now mailbox.Stamp) bool {
	newest := max(known.Cur, known.New, known.Keywords)
	return known.Taken != 0 && known.Cur == now.Cur && known.New == now.New && known.Keywords == now.Keywords &&
		time.Duration(known.Taken-newest) > stampGranularity
}

// taking returns the mailboxes that are not left alone in this run.
func taking(boxes []*box) []*box {
	var list []*box
	for _, b := range boxes {
		if !b.isOut {
			list = append(list, b)
		}
	}
	return list
}
