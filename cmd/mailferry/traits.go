package main

import (
	"slices"
	"strings"

	"mailferry/state"
	"mailferry/syncer/mailbox"
)

// traitsFile is where a store keeps what its server said of the mailboxes.
const traitsFile = "mailboxes.json"

// trait is what a server says of a mailbox that a folder cannot tell: a
// restore to another server wants to know it.
type trait struct {
	Name mailbox.Name `json:"name"`
	// Uses are attributes such as \Sent.
	Uses []string `json:"uses,omitempty"`
	// Subscribed is nil where the server did not tell.
	Subscribed *bool `json:"subscribed,omitempty"`
}

// notTraits are attributes that say nothing about a mailbox's use.
var notTraits = []string{
	`\HasChildren`, `\HasNoChildren`, `\NoInferiors`, `\Marked`, `\Unmarked`, `\Subscribed`, `\NoSelect`, `\NonExistent`, `\Remote`,
}

func traitsOf(listed []mailbox.Listed) []trait {
	told := slices.ContainsFunc(listed, isSubscribed)
	traits := make([]trait, len(listed))
	for i, l := range listed {
		traits[i].Name = l.Name
		for _, attribute := range l.Attributes {
			is := func(other string) bool { return strings.EqualFold(attribute, other) }
			if !slices.ContainsFunc(notTraits, is) {
				traits[i].Uses = append(traits[i].Uses, attribute)
			}
		}
		if told {
			subscribed := isSubscribed(l)
			traits[i].Subscribed = &subscribed
		}
	}
	return traits
}

func isSubscribed(l mailbox.Listed) bool {
	return slices.ContainsFunc(l.Attributes, func(a string) bool { return strings.EqualFold(a, `\Subscribed`) })
}

// rememberListing keeps what the server says of its mailboxes.
func (s *sides) rememberListing(listed []mailbox.Listed) error {
	return s.base.WriteAside(traitsFile, traitsOf(listed))
}

// readTraits returns what is remembered, by mailbox.
func readTraits(base *state.Store) (map[mailbox.Name]trait, error) {
	var list []trait
	if err := base.ReadAside(traitsFile, &list); err != nil {
		return nil, err
	}
	traits := make(map[mailbox.Name]trait, len(list))
	for _, t := range list {
		traits[t.Name] = t
	}
	return traits, nil
}
