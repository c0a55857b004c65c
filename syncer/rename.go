package syncer

import (
	"context"
	"slices"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// recogniseRenames finds mailboxes that have another name on one side and
// makes one of the two boxes: the new name with the old one's base.
func (r *run) recogniseRenames(ctx context.Context, boxes []*box) ([]*box, error) {
	var goneServer, goneDisk []plan.Base
	var freshServer, freshDisk []plan.Fresh
	byName := map[mailbox.Name]*box{}
	for _, b := range boxes {
		byName[b.name] = b
		known := b.base.Known
		isKnown := known.HasRemote && known.HasLocal && known.Leaving == mailbox.Staying
		fresh := plan.Fresh{Name: b.name, Remote: b.remote, Local: b.local}
		switch {
		case b.isOut:
		case isKnown && b.remote.Missing && !b.local.Missing:
			goneServer = append(goneServer, b.base)
		case isKnown && !b.remote.Missing && b.local.Missing:
			goneDisk = append(goneDisk, b.base)
		case known.ID == 0 && !b.remote.Missing && b.local.Missing:
			freshServer = append(freshServer, fresh)
		case known.ID == 0 && b.remote.Missing && !b.local.Missing:
			freshDisk = append(freshDisk, fresh)
		}
	}
	var renamed []mailbox.Name
	if r.Policy.Pull.Mailboxes {
		for _, fresh := range freshServer {
			if err := r.sample(ctx, byName[fresh.Name], goneServer); err != nil {
				return nil, err
			}
		}
		for _, pair := range plan.RenamedOnServer(goneServer, freshServer) {
			from, to := byName[pair.From], byName[pair.To]
			to.base, to.local = from.base, from.local
			to.rename(plan.RenameMailboxLocal, pair)
			renamed = append(renamed, pair.From)
		}
	}
	if r.Policy.Push.Mailboxes {
		for _, pair := range plan.RenamedOnDisk(goneDisk, freshDisk) {
			from, to := byName[pair.From], byName[pair.To]
			to.base, to.remote, to.listed = from.base, from.remote, from.listed
			to.rename(plan.RenameMailboxRemote, pair)
			to.formerly = pair.From
			renamed = append(renamed, pair.From)
		}
	}
	return slices.DeleteFunc(boxes, func(b *box) bool { return slices.Contains(renamed, b.name) }), nil
}

// sample reads some messages of a new mailbox that may be one of those gone.
// Trouble with it means only that it is not taken for one.
func (r *run) sample(ctx context.Context, b *box, gone []plan.Base) error {
	for _, base := range gone {
		uids := plan.AskRenamed(base, b.remote)
		if uids.IsEmpty() {
			continue
		}
		err := r.answer(ctx, b, plan.Questions{Headers: uids})
		if err == nil {
			err = r.answer(ctx, b, plan.Questions{Bodies: b.withoutMessageID(uids)})
		}
		if err != nil && (isFatal(err) || ctx.Err() != nil) {
			return err
		}
	}
	return nil
}

// withoutMessageID leaves those whose header alone does not tell them apart.
func (b *box) withoutMessageID(uids mailbox.UIDSet) mailbox.UIDSet {
	var rest mailbox.UIDSet
	for uid := range uids.All() {
		if row := b.row(uid); row != nil && !row.HasMessageID {
			rest = rest.Append(uid)
		}
	}
	return rest
}

func (b *box) rename(kind plan.Kind, pair plan.Rename) {
	b.base.Known.Name = pair.To
	b.halted = b.halted || b.local.Incomplete
	b.plan.Actions = []plan.Action{{Kind: kind, Mailbox: pair.From, To: pair.To}}
}
