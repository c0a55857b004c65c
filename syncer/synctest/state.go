package synctest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"mailferry/syncer"
	"mailferry/syncer/mailbox"
)

var errDuplicateUID = errors.New("model: two links for one UID")

// State is the ports Base and Marks in memory: transactions happen whole or not at all.
type State struct {
	port

	mu       sync.Mutex
	boxes    map[mailbox.ID]*stateMailbox
	lastID   mailbox.ID
	lastLink mailbox.LinkID
	marks    mailbox.Marks
}

var (
	_ syncer.Base   = (*State)(nil)
	_ syncer.Marks  = (*State)(nil)
	_ syncer.Copies = (*State)(nil)
)

type stateMailbox struct {
	known mailbox.Known
	links map[mailbox.LinkID]mailbox.Link
}

// NewState makes an empty state. fuse may be nil.
func NewState(fuse *Fuse) *State {
	return &State{port: port{fuse: fuse}, boxes: map[mailbox.ID]*stateMailbox{}, marks: mailbox.Marks{}}
}

// Clone copies the state, as a backup of it would.
func (s *State) Clone() *State {
	s.mu.Lock()
	defer s.mu.Unlock()
	clone := NewState(s.fuse)
	clone.lastID, clone.lastLink = s.lastID, s.lastLink
	for id, box := range s.boxes {
		clone.boxes[id] = &stateMailbox{box.known, maps.Clone(box.links)}
	}
	clone.marks = maps.Clone(s.marks)
	return clone
}

func (s *State) find(id mailbox.ID) (*stateMailbox, error) {
	box := s.boxes[id]
	if box == nil {
		return nil, fmt.Errorf("model: mailbox %d of the state: %w", id, mailbox.ErrNotFound)
	}
	return box, nil
}

func (s *State) nameIsFree(name mailbox.Name) error {
	for _, box := range s.boxes {
		if box.known.Name == name {
			return fmt.Errorf("model: mailbox %s of the state: %w", name, mailbox.ErrExists)
		}
	}
	return nil
}

// Mailboxes implements syncer.Base.
func (s *State) Mailboxes(ctx context.Context) ([]mailbox.Known, error) {
	if _, err := s.begin(ctx, "Mailboxes"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []mailbox.Known
	for _, box := range s.boxes {
		known := box.known
		known.Links = len(box.links)
		for _, link := range box.links {
			if link.Key != "" {
				known.Tally.Add(link.Key, link.Local)
			}
		}
		list = append(list, known)
	}
	slices.SortFunc(list, func(a, b mailbox.Known) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

// Scan implements syncer.Base.
func (s *State) Scan(ctx context.Context, id mailbox.ID, some mailbox.Some, each func(*mailbox.Link) error) error {
	links, err := s.Links(ctx, id)
	if err != nil {
		return err
	}
	// The port promises no order.
	for i := range slices.Backward(links) {
		link := links[i]
		if !some.Fits(&link) {
			continue
		}
		if err := each(&link); err != nil {
			return err
		}
	}
	return nil
}

// UIDs implements syncer.Base.
func (s *State) UIDs(ctx context.Context, id mailbox.ID) (mailbox.UIDSet, error) {
	links, err := s.Links(ctx, id)
	if err != nil {
		return nil, err
	}
	var uids []mailbox.UID
	for i := range links {
		if links[i].UID != 0 && links[i].Kind != mailbox.PendingUpload {
			uids = append(uids, links[i].UID)
		}
	}
	return mailbox.UIDs(uids...), nil
}

// Links lists a mailbox's links, sorted by UID, then Key.
func (s *State) Links(ctx context.Context, id mailbox.ID) ([]mailbox.Link, error) {
	if _, err := s.begin(ctx, "Links"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	box, err := s.find(id)
	if err != nil {
		return nil, err
	}
	return slices.SortedFunc(maps.Values(box.links), func(a, b mailbox.Link) int {
		return cmp.Or(cmp.Compare(a.UID, b.UID), cmp.Compare(a.Key, b.Key), cmp.Compare(a.ID, b.ID))
	}), nil
}

// Add implements syncer.Base.
func (s *State) Add(ctx context.Context, name mailbox.Name) (id mailbox.ID, err error) {
	err = s.change(ctx, "Add", func() (func(), error) {
		return func() {
			s.lastID++
			id = s.lastID
			s.boxes[id] = &stateMailbox{mailbox.Known{ID: id, Name: name}, map[mailbox.LinkID]mailbox.Link{}}
		}, s.nameIsFree(name)
	})
	if err != nil {
		return 0, err
	}
	return id, nil
}

// Rename implements syncer.Base.
func (s *State) Rename(ctx context.Context, id mailbox.ID, to mailbox.Name) error {
	return s.change(ctx, "Rename", func() (func(), error) {
		box, err := s.find(id)
		if err == nil && box.known.Name != to {
			err = s.nameIsFree(to)
		}
		return func() { box.known.Name = to }, err
	})
}

// Forget implements syncer.Base.
func (s *State) Forget(ctx context.Context, id mailbox.ID) error {
	return s.change(ctx, "Forget", func() (func(), error) {
		_, err := s.find(id)
		return func() { delete(s.boxes, id) }, err
	})
}

// Commit implements syncer.Base.
func (s *State) Commit(ctx context.Context, commits ...mailbox.Commit) error {
	return s.change(ctx, "Commit", func() (func(), error) {
		after := map[mailbox.ID]*stateMailbox{}
		last := s.lastLink
		var given []func()
		for _, commit := range commits {
			box := after[commit.Mailbox]
			if box == nil {
				before, err := s.find(commit.Mailbox)
				if err != nil {
					return nil, err
				}
				box = &stateMailbox{before.known, maps.Clone(before.links)}
				after[commit.Mailbox] = box
			}
			ids, err := box.apply(commit, &last)
			if err != nil {
				return nil, err
			}
			given = append(given, func() {
				for i, link := range commit.Put {
					link.ID = ids[i]
				}
			})
		}
		return func() {
			maps.Copy(s.boxes, after)
			s.lastLink = last
			for _, give := range given {
				give()
			}
		}, nil
	})
}

// apply makes a commit and returns the IDs of the links put.
func (b *stateMailbox) apply(commit mailbox.Commit, last *mailbox.LinkID) ([]mailbox.LinkID, error) {
	if commit.Unnumber {
		for id, link := range b.links {
			link.Unnumber()
			b.links[id] = link
		}
	}
	gone := slices.Clone(commit.Forget)
	for _, link := range commit.Put {
		if link.ID != 0 {
			gone = append(gone, link.ID)
		}
	}
	for _, id := range gone {
		if _, found := b.links[id]; !found {
			return nil, fmt.Errorf("model: link %d: %w", id, mailbox.ErrNotFound)
		}
		delete(b.links, id)
	}
	var ids []mailbox.LinkID
	for _, link := range commit.Put {
		stored := *link
		if stored.ID == 0 {
			*last++
			stored.ID = *last
		}
		b.links[stored.ID] = stored
		ids = append(ids, stored.ID)
	}
	if c := commit.Checkpoint; c != nil {
		b.known.Remote, b.known.Local = c.Remote, c.Local
		b.known.HasRemote, b.known.HasLocal, b.known.Leaving = c.HasRemote, c.HasLocal, c.Leaving
	}
	seen := map[mailbox.UID]bool{}
	for _, link := range b.links {
		if link.UID != 0 && seen[link.UID] {
			return nil, fmt.Errorf("%w: %d", errDuplicateUID, link.UID)
		}
		seen[link.UID] = true
	}
	return ids, nil
}

// Lose empties the state, as its rebuilding after damage does. What is marked
// stays so: marks are not part of it.
func (s *State) Lose() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.boxes)
}

// Marks implements syncer.Marks.
func (s *State) Marks(ctx context.Context) (mailbox.Marks, error) {
	if _, err := s.begin(ctx, "Marks"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.marks), nil
}

// Mark implements syncer.Marks.
func (s *State) Mark(ctx context.Context, mark mailbox.Mark, contents []mailbox.Hash) error {
	return s.change(ctx, "Mark", func() (func(), error) {
		return func() {
			for _, content := range contents {
				s.marks[content] = mark
			}
		}, nil
	})
}

// Alike implements syncer.Copies.
func (s *State) Alike(ctx context.Context, wanted []mailbox.Likeness) ([]mailbox.Copy, error) {
	if _, err := s.begin(ctx, "Alike"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []mailbox.Copy
	for _, w := range wanted {
		for _, id := range slices.Sorted(maps.Keys(s.boxes)) {
			box := s.boxes[id]
			for _, link := range slices.Sorted(maps.Keys(box.links)) {
				if l := box.links[link]; l.IsLike(w) {
					found = append(found, mailbox.Copy{Mailbox: box.known.Name, UIDValidity: box.known.Remote.UIDValidity, Link: l})
				}
			}
		}
	}
	return found, nil
}

// change makes one transaction, unless decide says why not.
func (s *State) change(ctx context.Context, op string, decide func() (func(), error)) error {
	if _, err := s.begin(ctx, op); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	effect, err := decide()
	if err != nil {
		return err
	}
	return s.fuse.around(effect)
}
