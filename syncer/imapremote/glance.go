package imapremote

import (
	"context"
	"fmt"

	"mailferry/syncer/imapremote/wire"
	"mailferry/syncer/mailbox"
)

// glanceWindow is how many mailboxes are looked at in one turn.
const glanceWindow = 16

// Glance is Observe for several mailboxes in one turn. It calls done for each,
// in no order; what one look does not settle is observed by itself.
func (a *Account) Glance(ctx context.Context, looks []mailbox.Look, each func(i int, m mailbox.RemoteMessage) error, done func(i int, seen mailbox.Observation, err error)) error {
	var open []int
	for first := 0; first < len(looks); first += glanceWindow {
		some := looks[first:min(first+glanceWindow, len(looks))]
		surveys, err := a.glance(ctx, some)
		if err != nil {
			return err
		}
		for n, v := range surveys {
			i := first + n
			if v == nil {
				open = append(open, i)
				continue
			}
			err := v.handOver(func(m mailbox.RemoteMessage) error { return each(i, m) })
			if err != nil {
				return err
			}
			done(i, v.found, nil)
		}
	}
	for _, i := range open {
		seen, err := a.Observe(ctx, looks[i].Name, looks[i].Since, func(m mailbox.RemoteMessage) error { return each(i, m) })
		if err != nil && (!isRefusal(err) || ctx.Err() != nil) {
			return err
		}
		done(i, seen, err)
	}
	return nil
}

// glance looks once at each mailbox; nil is one that this does not settle.
func (a *Account) glance(ctx context.Context, looks []mailbox.Look) ([]*survey, error) {
	surveys := make([]*survey, len(looks))
	names := make([]string, len(looks))
	for i, look := range looks {
		// A name that cannot be is refused where it is observed by itself.
		names[i], _ = a.names.toWire(look.Name)
	}
	err := a.with(ctx, "", !a.opts.ReadOnly, func(s *session) error {
		return s.raw(ctx, func(x *wire.Exchange) error {
			s.selected = selection{}
			pending := make([]*wire.Look, len(looks))
			for i, look := range looks {
				if names[i] == "" || look.Since.Limit != 0 || !look.Since.Only.IsEmpty() {
					continue
				}
				v := &survey{s: s, x: x, since: look.Since}
				var err error
				if pending[i], err = x.BeginLook(s.selectRequest(names[i], !a.opts.ReadOnly), v.request(v.plan()), v.take); err != nil {
					return err
				}
				surveys[i] = v
			}
			for i, look := range pending {
				if look == nil {
					continue
				}
				settled, err := surveys[i].await(look, names[i], !a.opts.ReadOnly)
				if err != nil {
					return err
				}
				if !settled {
					surveys[i] = nil
				}
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("looking at %d mailboxes: %w", len(looks), err)
	}
	return surveys, nil
}

// await takes the answers to one look and reports whether they settle what the
// mailbox has, without another question. The error is the stream's.
func (v *survey) await(look *wire.Look, wireName string, write bool) (settled bool, err error) {
	how, opened := v.plan(), false
	err = look.Await(func(selected wire.Selected) error {
		opened = true
		v.opened(wireName, write, selected)
		return nil
	})
	if err != nil {
		if !isRefusal(err) || v.s.isBroken() {
			return false, err
		}
		if !opened {
			v.s.selected = selection{}
		}
		return false, nil
	}
	if !opened || how == knownFlags || !v.holds(how) {
		return false, nil
	}
	v.settle()
	v.found.Delta = how == changes
	return v.addsUp(how), nil
}
