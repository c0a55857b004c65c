package state

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"mailferry/syncer/mailbox"
)

const stateFile = "state.db"

var errClosed = errors.New("the state is closed")

// Options says which store is opened, and how.
type Options struct {
	// Dir is the store's folder.
	Dir string
	// Control is the name of the control folder in it, ".mailferry" or
	// "mailferry"; "" means the one that has the marker.
	Control string
	// Notes is the folder where this machine remembers the stores it made;
	// "": nowhere.
	Notes string
	// Identity is whose mail is to be kept. The zero value takes what the
	// marker says.
	Identity Identity
	// NewStore makes Dir a store although it has content, was another's, or
	// was a store whose marker is missing.
	NewStore bool
	// ReadOnly changes nothing on disk. Writing is ErrReadOnly; runs are not
	// recorded. A store that is not there, or damaged, is an empty one.
	ReadOnly bool
	// Moving opens the store also in the midst of its move to another server.
	Moving bool
	// Unlocked, with ReadOnly, reads beside a run that holds the lock.
	Unlocked bool
	// Now is the clock; nil: the system's.
	Now func() time.Time
	// Log may be nil.
	Log *slog.Logger
}

// Store is an open state. It serves several goroutines, one at a time.
type Store struct {
	options    Options
	migrations []string
	dir        string // absolute, symlinks resolved
	control    string // the control folder's path
	marker     Marker
	noted      *note
	lock       *flock.Flock
	beside     *generation
	temporary  string // what a copy was read from, to be removed

	mu         sync.Mutex
	db         *sql.DB
	conn       *sql.Conn
	statements map[string]driver.Stmt
	args       []driver.NamedValue // of the statement that runs
	root       root
	rebuilt    string
	running    *Run
	marks      mailbox.Marks // nil: not read yet
	clean      bool          // how the run before this one ended
}

// Open opens the store, makes it where the folder is missing or empty, and
// holds its lock until Close. A damaged state is moved aside and a new, empty
// one made: Rebuilt tells.
//
// Errors: ErrLocked, ErrNotAStore, ErrMarkerMissing, ErrOtherAccount,
// ErrOtherStore, ErrOtherLayout, ErrMoving, ErrNewerVersion, ErrFull, ErrReadOnly.
func Open(ctx context.Context, options Options) (*Store, error) {
	return openVersion(ctx, options, migrations)
}

// openVersion opens the store with the schema that migrations lead to.
func openVersion(ctx context.Context, options Options, migrations []string) (*Store, error) {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{options: options, migrations: migrations}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.release())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	var err error
	if s.dir, err = resolve(s.options.Dir); err != nil {
		return err
	}
	isNew, err := s.find()
	if err != nil {
		return err
	}
	if s.options.ReadOnly {
		return s.openReading(ctx, isNew)
	}
	if isNew {
		if err := makeFolder(s.control); err != nil {
			return fault(err, false)
		}
	}
	if s.lock, err = acquire(s.control); err != nil {
		return err
	}
	// Another run may have made the store since it was looked for.
	if isNew, err = s.find(); err != nil {
		return err
	}
	if s.beside, err = openGeneration(s.control); err != nil {
		return err
	}
	if isNew {
		if err := s.create(ctx); err != nil {
			return err
		}
	} else if err := s.adopt(); err != nil {
		return err
	}
	err = s.load(ctx)
	var damage *DamagedError
	if errors.As(err, &damage) {
		err = s.rebuild(ctx, damage.Reason)
	}
	if err != nil {
		return err
	}
	return s.publish()
}

// create makes the state, then the marker: a marker says that all is there.
func (s *Store) create(ctx context.Context) error {
	id, err := newUUID()
	if err != nil {
		return err
	}
	layout := s.options.Identity.Layout
	if layout == "" {
		layout = "fs"
	}
	if s.marker.isAnother(s.options.Identity) {
		if err := forgetMarks(s.control); err != nil {
			return err
		}
	}
	s.marker = Marker{UUID: id, Identity: s.options.Identity, Created: s.options.Now().UTC().Truncate(time.Second)}
	s.marker.Layout = layout
	s.noted = nil
	if err := s.moveAside(); err != nil {
		return err
	}
	if err := s.createDatabase(ctx, root{clean: true}); err != nil {
		return err
	}
	if err := s.beside.write(0); err != nil {
		return err
	}
	return fault(writeMarker(s.control, s.marker), false)
}

// adopt gives a store that was nobody's, such as merge makes, to the account
// that opens it first.
func (s *Store) adopt() error {
	nobody, asked := Identity{Layout: s.marker.Layout}, s.options.Identity
	asked.Layout = s.marker.Layout
	if s.marker.Identity != nobody || asked == nobody {
		return nil
	}
	s.marker.Identity = asked
	return fault(writeMarker(s.control, s.marker), false)
}

// publish brings the number beside the database and the machine's note up to
// the generation that is durable in the database.
func (s *Store) publish() error {
	if err := s.beside.write(s.root.generation); err != nil {
		return err
	}
	n := note{
		Path: s.dir, UUID: s.marker.UUID, Account: s.marker.Account, URL: s.marker.URL, Layout: s.marker.Layout,
		Generation: s.root.generation, Created: s.marker.Created,
	}
	if s.noted != nil && s.noted.equal(n) {
		return nil
	}
	if err := s.beside.file.Sync(); err != nil {
		return fault(err, false)
	}
	if err := writeNote(s.options.Notes, n); err != nil {
		return fmt.Errorf("note of the store: %w", fault(err, false))
	}
	s.noted = &n
	return nil
}

// Close ends the use of the store. What was committed stays, whatever Close
// returns.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	if s.db != nil && !s.options.ReadOnly {
		// The one row says whether a reader kept it from finishing; then the
		// next run does the rest.
		_, err := s.conn.ExecContext(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)")
		errs = append(errs, fault(err, false), s.publish())
	}
	return errors.Join(append(errs, s.release())...)
}

func (s *Store) release() error {
	errs := []error{s.hangUp()}
	if s.beside != nil {
		errs = append(errs, s.beside.file.Close())
		s.beside = nil
	}
	if s.temporary != "" {
		errs = append(errs, os.RemoveAll(s.temporary))
		s.temporary = ""
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
		s.lock = nil
	}
	return errors.Join(errs...)
}

// Dir is the store's folder, absolute and with symlinks resolved.
func (s *Store) Dir() string { return s.dir }

// Control is the control folder's path.
func (s *Store) Control() string { return s.control }

// Marker is what the store says of itself. It is zero where a store that is
// only read does not exist.
func (s *Store) Marker() Marker { return s.marker }

// Clean reports whether the previous run ended in order. Otherwise, and after
// a rebuild, the engine recovers what was left behind.
func (s *Store) Clean() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clean
}

// Rebuilt says for people why an empty state took the place of another, or "".
func (s *Store) Rebuilt() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rebuilt
}

func (s *Store) path() string { return filepath.Join(s.control, stateFile) }

// newUUID makes a random UUID. (RFC 9562, section 5.4)
func newUUID() (string, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", err
	}
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
}
