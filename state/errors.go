package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"

	"modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"
)

// What callers branch on.
var (
	// ErrLocked: another run holds the store. See LockedError.
	ErrLocked = errors.New("another run holds the store")
	// ErrNotAStore: the folder has content and is not a store; NewStore adopts
	// it. See NotAStoreError.
	ErrNotAStore = errors.New("not a store")
	// ErrNotAFolder: what shall be a store is a file.
	ErrNotAFolder = errors.New("is a file, not a folder")
	// ErrMarkerMissing: this machine made a store here and its marker is not
	// there, as on a disk that is not mounted. See MarkerMissingError.
	ErrMarkerMissing = errors.New("the store's marker is missing")
	// ErrOtherAccount: the store is another account's. See OtherAccountError.
	ErrOtherAccount = errors.New("the store belongs to another account")
	// ErrOtherStore: another store lies where this machine made one. See
	// OtherStoreError.
	ErrOtherStore = errors.New("another store lies here")
	// ErrOtherLayout: the store was made with another layout. See
	// OtherLayoutError.
	ErrOtherLayout = errors.New("the store has another layout")
	// ErrInsideStore: the folder is inside another store. See InsideStoreError.
	ErrInsideStore = errors.New("the folder lies inside another store")
	// ErrNewerVersion: a newer mailferry wrote the state. See
	// NewerVersionError.
	ErrNewerVersion = errors.New("the state was written by a newer version")
	// ErrDamaged: the state is not what was written; Rebuild starts anew. See
	// DamagedError.
	ErrDamaged = errors.New("the state is damaged")
	// ErrFull: the disk has no room; the transaction was undone.
	ErrFull = errors.New("the disk is full")
	// ErrReadOnly: the store was opened to be read, or the disk is read-only.
	ErrReadOnly = errors.New("the store is read-only")
	// ErrDuplicate: two links for one UID of a mailbox; nothing was written.
	ErrDuplicate = errors.New("two links for one UID")
)

// LockedError says who holds the store.
type LockedError struct {
	Path string
	// PID is 0 where it cannot be read.
	PID int
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("%s: %v", e.Path, ErrLocked)
	}
	return fmt.Sprintf("%s: %v (process %d)", e.Path, ErrLocked, e.PID)
}

// Unwrap returns ErrLocked.
func (e *LockedError) Unwrap() error { return ErrLocked }

// NotAStoreError names a folder that holds something else.
type NotAStoreError struct{ Path string }

func (e *NotAStoreError) Error() string {
	return fmt.Sprintf("%s: %v: it is not empty and has no marker", e.Path, ErrNotAStore)
}

// Unwrap returns ErrNotAStore.
func (e *NotAStoreError) Unwrap() error { return ErrNotAStore }

// InsideStoreError names a folder and the store that it is in, where it would be
// taken for a mailbox.
type InsideStoreError struct{ Path, Store string }

func (e *InsideStoreError) Error() string {
	return fmt.Sprintf("%s: %v: %s", e.Path, ErrInsideStore, e.Store)
}

// Unwrap returns ErrInsideStore.
func (e *InsideStoreError) Unwrap() error { return ErrInsideStore }

// MarkerMissingError names a store that was here.
type MarkerMissingError struct {
	Path    string
	Account string
	// Identity is what is remembered of the store; the zero value where
	// nothing can be read.
	Identity Identity
	// Made is when the store was made, zero where that is not known.
	Made time.Time
	// Damaged says that the marker is there and cannot be read.
	Damaged bool
}

func (e *MarkerMissingError) Error() string {
	text := fmt.Sprintf("%s: %v", e.Path, ErrMarkerMissing)
	if e.Damaged {
		text = fmt.Sprintf("%s: the store's marker cannot be read", e.Path)
	}
	if !e.Made.IsZero() {
		text += fmt.Sprintf(", though a store was made here on %s", e.Made.Format(time.DateOnly))
	}
	return text
}

// Unwrap returns ErrMarkerMissing.
func (e *MarkerMissingError) Unwrap() error { return ErrMarkerMissing }

// OtherAccountError names both accounts.
type OtherAccountError struct {
	Path         string
	Store, Asked Identity
}

func (e *OtherAccountError) Error() string {
	return fmt.Sprintf("%s: %v: it is of %s, not %s", e.Path, ErrOtherAccount, e.Store, e.Asked)
}

// Unwrap returns ErrOtherAccount.
func (e *OtherAccountError) Unwrap() error { return ErrOtherAccount }

// OtherStoreError names both stores by their UUIDs.
type OtherStoreError struct {
	Path            string
	Expected, Found string
}

func (e *OtherStoreError) Error() string {
	return fmt.Sprintf("%s: %v: %s, not %s", e.Path, ErrOtherStore, e.Found, e.Expected)
}

// Unwrap returns ErrOtherStore.
func (e *OtherStoreError) Unwrap() error { return ErrOtherStore }

// OtherLayoutError names both layouts.
type OtherLayoutError struct{ Path, Store, Asked string }

func (e *OtherLayoutError) Error() string {
	return fmt.Sprintf("%s: %v: %s, not %s", e.Path, ErrOtherLayout, e.Store, e.Asked)
}

// Unwrap returns ErrOtherLayout.
func (e *OtherLayoutError) Unwrap() error { return ErrOtherLayout }

// NewerVersionError names the versions of the state's schema.
type NewerVersionError struct {
	Path             string
	Version, Highest int
}

func (e *NewerVersionError) Error() string {
	return fmt.Sprintf("%s: %v: its schema is %d, this mailferry knows up to %d; install a newer mailferry",
		e.Path, ErrNewerVersion, e.Version, e.Highest)
}

// Unwrap returns ErrNewerVersion.
func (e *NewerVersionError) Unwrap() error { return ErrNewerVersion }

// DamagedError says what is wrong with the state.
type DamagedError struct{ Reason string }

func (e *DamagedError) Error() string { return fmt.Sprintf("%v: %s", ErrDamaged, e.Reason) }

// Unwrap returns ErrDamaged.
func (e *DamagedError) Unwrap() error { return ErrDamaged }

func damaged(format string, args ...any) error {
	return &DamagedError{fmt.Sprintf(format, args...)}
}

// fault gives an error of SQLite or of the system its name. Reading says that
// the statement is known to be right, so that whatever SQLite finds wrong with
// it is wrong with the file.
func fault(err error, reading bool) error {
	var failure *sqlite.Error
	switch {
	case err == nil, errors.Is(err, ErrDamaged),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: %w", ErrFull, err)
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	case !errors.As(err, &failure):
		return err
	}
	switch failure.Code() {
	case codes.SQLITE_IOERR_READ, codes.SQLITE_IOERR_SHORT_READ,
		codes.SQLITE_IOERR_CORRUPTFS, codes.SQLITE_IOERR_DATA:
		return damaged("%v", err)
	}
	switch failure.Code() & 0xff {
	case codes.SQLITE_CORRUPT, codes.SQLITE_NOTADB, codes.SQLITE_FORMAT:
		return damaged("%v", err)
	case codes.SQLITE_FULL:
		return fmt.Errorf("%w: %w: %w", ErrFull, syscall.ENOSPC, err)
	case codes.SQLITE_READONLY:
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	case codes.SQLITE_ERROR, codes.SQLITE_TOOBIG, codes.SQLITE_MISMATCH, codes.SQLITE_SCHEMA, codes.SQLITE_EMPTY:
		if reading {
			return damaged("%v", err)
		}
	}
	return err
}

func isConstraint(err error) bool {
	var failure *sqlite.Error
	return errors.As(err, &failure) && failure.Code()&0xff == codes.SQLITE_CONSTRAINT
}
