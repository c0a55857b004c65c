package synctest

import (
	"errors"
	"reflect"

	"mailferry/syncer"
	"mailferry/syncer/mailbox"
)

// glanceSeesWhatObserveSees looks at mailboxes of all conditions at once and at
// each by itself.
func glanceSeesWhatObserveSees(c *remoteCase) {
	port, is := c.Remote.(syncer.Glances)
	if !is || c.Only != "" {
		return
	}
	known := c.made(5)
	before := since(c.observe(work, mailbox.Since{}), known)
	for _, name := range []mailbox.Name{"Empty", "Gone", "Several"} {
		c.Witness.Create(name)
	}
	gone := c.fill("Gone", 4)
	beforeGone := since(c.observe("Gone", mailbox.Since{}), gone)
	c.fill("Several", 3)
	c.Witness.Store(work, known[2].UID, "+FLAGS", mailbox.NewFlags(mailbox.FlagFlagged))
	c.fill(work, 2)
	c.Witness.Expunge("Gone", gone[1].UID)

	looks := []mailbox.Look{
		{Name: work, Since: before}, {Name: "Nowhere"}, {Name: "Empty"}, {Name: "Gone", Since: beforeGone},
		{Name: "Several"}, {Name: "Several", Since: mailbox.Since{Limit: 1}}, {Name: mailbox.Inbox},
	}
	got, told := make([]seen, len(looks)), make([]int, len(looks))
	must(c, "glance", port.Glance(c.ctx, looks, func(i int, m mailbox.RemoteMessage) error {
		got[i].messages = append(got[i].messages, m)
		return nil
	}, func(i int, observed mailbox.Observation, err error) {
		told[i]++
		got[i].Observation = observed
		if looks[i].Name == "Nowhere" {
			wantRefusal(c, "glance", err, mailbox.ErrNotFound)
		} else {
			must(c, "glance at "+string(looks[i].Name), err)
		}
	}))
	for i, look := range looks {
		if told[i] != 1 {
			c.Errorf("%s: told %d times", look.Name, told[i])
		}
		if look.Name == "Nowhere" {
			continue
		}
		if want := c.observe(look.Name, look.Since); !reflect.DeepEqual(got[i], want) {
			c.Errorf("%s:\n%+v\nobserved:\n%+v", look.Name, got[i], want)
		}
	}
	stop := errors.New("stop")
	err := port.Glance(c.ctx, looks[:1], func(int, mailbox.RemoteMessage) error { return stop }, func(int, mailbox.Observation, error) {
		c.Error("told after an error")
	})
	wantError(c, "glance", err, stop)
}
