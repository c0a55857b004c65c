package restore

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"mailferry/syncer/mailbox"
)

// ErrClash: two mailboxes would have one name.
var ErrClash = errors.New("two mailboxes would become one")

// Reason says why a mailbox has another name on the other server. Its text is
// what JSON shows.
type Reason string

// The reasons.
const (
	Asked      Reason = "map"           // --map says so
	Earlier    Reason = "earlier"       // an earlier run called it so
	Prefixed   Reason = "prefix"        // --prefix says so
	SpecialUse Reason = "special-use"   // the other server has one for the same use
	NotAllowed Reason = "not-allowed"   // the other server cannot have the name
	Refused    Reason = "refused"       // the other server did not want the name
	Taken      Reason = "already-taken" // another mailbox has the name
)

// Rules is what the user asked for, and what was decided before.
type Rules struct {
	// Map names mailboxes anew, and those below them.
	Map map[mailbox.Name]mailbox.Name
	// Prefix is the mailbox that all others go below; "": none.
	Prefix mailbox.Name
	// Earlier are the names that an earlier run used.
	Earlier map[mailbox.Name]mailbox.Name
	// Refused are names that the other server did not make, with others to try.
	Refused map[mailbox.Name]mailbox.Name
}

// Target is the server that the names are for.
type Target struct {
	// Listed are the mailboxes it has.
	Listed []mailbox.Listed
	// Separator is what no level may contain, "" if there are no levels.
	Separator string
	// Allows is nil for a name that can be made there.
	Allows func(mailbox.Name) error
}

// Choice is what a mailbox of the store is called on the other server.
type Choice struct {
	From, To mailbox.Name
	// Why is "" where the name stays.
	Why Reason
	// Err says why the mailbox cannot be there at all. Another name helps.
	Err error
}

// Names decides the names of all of the store's mailboxes, in their order. The
// store's attributes are those that its own server gave them. Two mailboxes
// that --map would make one are ErrClash.
func Names(store []mailbox.Listed, rules Rules, target Target) ([]Choice, error) {
	n := &namer{rules: rules, target: target, roles: map[mailbox.Name]mailbox.Name{}, owner: map[mailbox.Name]mailbox.Name{}}
	if rules.Prefix == "" {
		n.matchRoles(store)
	}
	choices := make([]Choice, len(store))
	// Names that the user gave, or that are in use already, come first; then
	// those that stay: whoever else wants one of these has to give way.
	for _, isTurn := range []func(Choice) bool{
		func(c Choice) bool { return c.Why == Asked },
		func(c Choice) bool { return c.Why == Earlier },
		func(c Choice) bool { return c.Why == "" && n.allows(c.To) == nil },
		func(c Choice) bool { return true },
	} {
		for i, l := range store {
			wanted := n.choose(l.Name)
			if choices[i].From != "" || !isTurn(wanted) {
				continue
			}
			settled, err := n.settle(wanted)
			if err != nil {
				return nil, err
			}
			choices[i] = settled
		}
	}
	return choices, nil
}

type namer struct {
	rules  Rules
	target Target
	// roles maps the store's Sent to the other server's, and so on.
	roles map[mailbox.Name]mailbox.Name
	// owner says who has a name by now.
	owner map[mailbox.Name]mailbox.Name
}

func (n *namer) matchRoles(store []mailbox.Listed) {
	has := func(list []mailbox.Listed, name mailbox.Name) bool {
		return slices.ContainsFunc(list, func(l mailbox.Listed) bool { return l.Name == name })
	}
	for _, r := range roles {
		from, to := r.holder(store), r.holder(n.target.Listed)
		if from == "" || to == "" || from == to || from == mailbox.Inbox || to == mailbox.Inbox || has(store, to) {
			continue
		}
		n.roles[from] = to
	}
}

// choose is what a mailbox would be called if it were the only one.
func (n *namer) choose(name mailbox.Name) Choice {
	if to, ok := under(name, n.rules.Map); ok {
		return Choice{From: name, To: to, Why: Asked}
	}
	if to, ok := n.rules.Refused[name]; ok {
		return Choice{From: name, To: to, Why: Refused}
	}
	if to, ok := n.rules.Earlier[name]; ok {
		return Choice{From: name, To: to, Why: Earlier}
	}
	if n.rules.Prefix != "" {
		return Choice{From: name, To: n.rules.Prefix + "/" + name, Why: Prefixed}
	}
	if to, ok := under(name, n.roles); ok {
		return Choice{From: name, To: to, Why: SpecialUse}
	}
	return Choice{From: name, To: name}
}

// under applies the rule for a mailbox or for the nearest one above it.
func under(name mailbox.Name, rules map[mailbox.Name]mailbox.Name) (mailbox.Name, bool) {
	for above := name; above != ""; above = above.Parent() {
		if to, ok := rules[above]; ok {
			return to + name[len(above):], true
		}
	}
	return "", false
}

// settle makes a name one that the other server can have and nobody else has.
func (n *namer) settle(c Choice) (Choice, error) {
	if c.Err = n.allows(c.To); c.Err != nil && c.Why != Asked {
		if to := plain(c.To, n.target.Separator); to != c.To && n.allows(to) == nil {
			c.To, c.Why, c.Err = to, cmp.Or(c.Why, NotAllowed), nil
		}
	}
	if c.Err != nil {
		return c, nil
	}
	first, taken := n.owner[c.To]
	if taken && c.Why == Asked {
		return c, fmt.Errorf("%w: %s and %s would both be %s", ErrClash, first, c.From, c.To)
	}
	if taken {
		c.To, c.Why = n.free(c.To), Taken
		c.Err = n.allows(c.To)
	}
	n.owner[c.To] = c.From
	return c, nil
}

func (n *namer) allows(name mailbox.Name) error {
	if n.target.Allows == nil {
		return nil
	}
	return n.target.Allows(name)
}

// free appends a number to a name.
func (n *namer) free(name mailbox.Name) mailbox.Name {
	for i := 2; ; i++ {
		to := name + mailbox.Name(fmt.Sprintf("_%d", i))
		if _, taken := n.owner[to]; !taken {
			return to
		}
	}
}
