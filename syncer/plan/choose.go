package plan

import "slices"

// Choose takes uploads out of the plan that are not wanted, and a mailbox that
// would be made for them alone. The next run finds the disk as if it had never
// been looked at.
func (p *Plan) Choose(wanted func(Action) bool) {
	p.Actions = slices.DeleteFunc(p.Actions, func(a Action) bool { return a.Kind == Upload && !wanted(a) })
	p.LocalSettled = false
	isUpload := func(a Action) bool { return a.Kind == Upload }
	if !slices.ContainsFunc(p.Actions, isUpload) {
		p.Actions = slices.DeleteFunc(p.Actions, func(a Action) bool { return a.Kind == CreateMailboxRemote })
		p.Settled = false
	}
}
