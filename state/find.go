package state

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// find looks for the store: marker, note, what the folder holds. It says
// whether a new one is to be made, or why neither may be, and changes nothing.
func (s *Store) find() (isNew bool, err error) {
	o := &s.options
	if info, err := os.Stat(s.dir); err == nil && !info.IsDir() {
		return false, fmt.Errorf("%s: %w", s.dir, ErrNotAFolder)
	}
	if s.noted, err = readNote(o.Notes, s.dir); err != nil {
		return false, err
	}
	control := o.Control
	if control == "" {
		marker, err := ReadMarker(s.dir)
		if err != nil && !errors.Is(err, ErrNotAStore) && !errors.Is(err, ErrMarkerMissing) {
			return false, err
		}
		control = cmp.Or(marker.Control, controlFor(o.Identity.Layout))
	}
	s.control = filepath.Join(s.dir, control)
	s.marker, err = readMarker(s.dir, control)
	switch {
	case err == nil:
		return s.judgeMarker()
	case errors.Is(err, fs.ErrNotExist):
		return s.judgeFolder(control)
	case errors.Is(err, errMarker) && o.NewStore:
		return true, nil
	case errors.Is(err, errMarker):
		return false, s.missing(true)
	}
	return false, err
}

// controlFor is the control folder's name in a layout: in Maildir++ a leading
// dot is a mailbox.
func controlFor(layout string) string {
	if layout == "maildir++" {
		return controls[1]
	}
	return controls[0]
}

func (s *Store) judgeMarker() (isNew bool, err error) {
	asked := s.options.Identity
	if s.marker.Moving && !s.options.Moving {
		return false, &MovingError{s.dir, s.marker.URL}
	}
	if s.marker.isAnother(asked) {
		if s.options.NewStore {
			return true, nil
		}
		return false, &OtherAccountError{s.dir, s.marker.Identity, asked}
	}
	if asked.Layout != "" && s.marker.Layout != "" && asked.Layout != s.marker.Layout {
		return false, &OtherLayoutError{s.dir, s.marker.Layout, asked.Layout}
	}
	if s.noted != nil && s.noted.UUID != "" && s.noted.UUID != s.marker.UUID {
		if !s.options.NewStore {
			return false, &OtherStoreError{s.dir, s.noted.UUID, s.marker.UUID}
		}
		s.noted = nil
	}
	return false, nil
}

func (s *Store) judgeFolder(control string) (isNew bool, err error) {
	for _, other := range controls {
		if other == control {
			continue
		}
		if marker, err := readMarker(s.dir, other); err == nil {
			return false, &OtherLayoutError{s.dir, marker.Layout, cmp.Or(s.options.Identity.Layout, control)}
		}
	}
	if s.noted != nil && !s.options.NewStore {
		return false, s.missing(false)
	}
	if err := s.mustBeOutside(); err != nil {
		return false, err
	}
	if s.options.NewStore {
		return true, nil
	}
	empty, err := isEmpty(s.dir, control)
	if err != nil {
		return false, err
	}
	if !empty {
		return false, &NotAStoreError{s.dir}
	}
	return true, nil
}

// mustBeOutside refuses a new store inside another one: each would take the
// other's mail for its own. In a control folder there is no mail: ServerDir is there.
func (s *Store) mustBeOutside() error {
	for at, parent := s.dir, filepath.Dir(s.dir); parent != at; at, parent = parent, filepath.Dir(parent) {
		marker, err := ReadMarker(parent)
		if err != nil {
			continue
		}
		if filepath.Base(at) == marker.Control {
			return nil
		}
		return &InsideStoreError{s.dir, parent}
	}
	return nil
}

func (s *Store) missing(damaged bool) error {
	e := &MarkerMissingError{Path: s.dir, Damaged: damaged}
	if s.noted != nil {
		e.Account, e.Made = cmp.Or(s.noted.Account, s.noted.URL), s.noted.Created
		e.Identity = Identity{s.noted.Account, s.noted.URL, s.noted.Layout}
	}
	return e
}
