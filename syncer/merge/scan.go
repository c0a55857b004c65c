package merge

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"path/filepath"
	"time"
)

// Progress is told how far a scan has come. Calls may overlap.
type Progress func(octets int64, messages int)

// Scanned is a source whose index is up to date.
type Scanned struct {
	Source Source
	// Path is the index's file.
	Path string
	// Damages are those of the source, at most maxDamages; Damaged counts all,
	// Lost those that left something out.
	Damages       []Place
	Damaged, Lost int
	// Read and Kept count units that were read, and that had not changed.
	Read, Kept int
	// Messages counts all, Expunged those that the client had deleted and not
	// compacted.
	Messages, Expunged int
	Notes              []Note
}

// Place is damage with the unit it is in.
type Place struct {
	Damage
	Unit string
}

// maxDamages is how many damaged places are kept to be told one by one.
const maxDamages = 1000

// maxBatch is how many units are read at once.
const maxBatch = 1000

// indexPath is where a source's index is in a folder of indexes.
func indexPath(dir string, id string) string {
	sum := sha256.Sum256([]byte(id))
	return filepath.Join(dir, hex.EncodeToString(sum[:16])+".index")
}

// Scan brings a source's index in dir up to date, reading only what changed
// since the last scan. When it is interrupted, what was read is kept.
func Scan(ctx context.Context, source Source, dir string, progress Progress) (*Scanned, error) {
	s := &scan{Scanned: Scanned{Source: source, Path: indexPath(dir, source.ID())}, progress: progress}
	old, err := openIndex(s.Path)
	if err == nil {
		s.old = &oldIndex{reader: old}
		defer old.close()
	}
	if s.out, err = createIndex(s.Path); err != nil {
		return nil, err
	}
	err = s.run(ctx)
	if err != nil {
		return nil, errors.Join(err, s.keep(err))
	}
	if err := s.out.publish(); err != nil {
		return nil, err
	}
	s.Notes = source.Notes()
	return &s.Scanned, nil
}

// scan is one scan at work.
type scan struct {
	Scanned
	progress Progress
	old      *oldIndex
	out      *indexWriter
	batch    []Unit
	unit     string // the key of the unit at work
	last     string // the key of the last one that is complete
}

func (s *scan) run(ctx context.Context) error {
	err := s.Source.Units(ctx, func(u Unit) error { return s.take(ctx, u) }, func(d Damage) { s.record(d, "") })
	if err != nil {
		return err
	}
	return s.flush(ctx)
}

// take copies an unchanged unit from the old index and has others read.
func (s *scan) take(ctx context.Context, u Unit) error {
	if s.old != nil && s.old.seek(u.Key) && s.old.unit.Size == u.Size && s.old.unit.Stamp == u.Stamp && u.Stamp != 0 && s.old.unit.Format == u.Format {
		if err := s.flush(ctx); err != nil {
			return err
		}
		kept, err := s.copy(u)
		if err != nil || kept {
			return err
		}
	}
	s.batch = append(s.batch, u)
	if len(s.batch) >= maxBatch {
		return s.flush(ctx)
	}
	return nil
}

// flush reads the units that wait.
func (s *scan) flush(ctx context.Context) error {
	if len(s.batch) == 0 {
		return nil
	}
	err := s.Source.Read(ctx, s.batch, s)
	s.Scanned.Read += len(s.batch)
	s.batch = s.batch[:0]
	return err
}

// copy takes over what the old index says of a unit, unless it was not read to
// its end then.
func (s *scan) copy(u Unit) (bool, error) {
	before, at := s.Scanned, s.out.at
	if err := s.out.begin(u); err != nil {
		return false, err
	}
	messages, again := 0, false
	lazy, _ := s.Source.(interface{ Reconsiders(*Record) bool })
	sure, err := s.old.rest(func(r Record) error {
		messages++
		again = again || lazy != nil && lazy.Reconsiders(&r)
		s.count(r)
		return s.out.message(r)
	}, func(d Damage) error {
		s.record(d, u.Key)
		return s.out.damage(d)
	})
	if err != nil {
		return false, err
	}
	if !sure || again {
		s.Scanned = before
		return false, s.out.rewind(at)
	}
	s.Kept++
	s.last = u.Key
	s.tell(u.Size, messages)
	return true, s.out.end(true)
}

func (s *scan) count(r Record) {
	s.Messages++
	if r.Expunged {
		s.Expunged++
	}
}

func (s *scan) tell(octets int64, messages int) {
	if s.progress != nil {
		s.progress(octets, messages)
	}
}

func (s *scan) record(d Damage, unit string) {
	s.Damaged++
	if d.Lost {
		s.Lost++
	}
	if len(s.Damages) < maxDamages {
		s.Damages = append(s.Damages, Place{d, unit})
	}
}

// Begin implements Sink.
func (s *scan) Begin(u Unit) error {
	s.unit = u.Key
	return s.out.begin(u)
}

// Message implements Sink.
func (s *scan) Message(r Record) error {
	s.count(r)
	s.tell(0, 1)
	return s.out.message(r)
}

// Damage implements Sink.
func (s *scan) Damage(d Damage) {
	s.record(d, s.unit)
	// An index that cannot be written is noticed at the unit's end.
	_ = s.out.damage(d)
}

// End implements Sink.
func (s *scan) End(sure bool) error {
	if sure {
		s.last = s.unit
	}
	return s.out.end(sure)
}

// Octets implements Sink.
func (s *scan) Octets(n int64) { s.tell(n, 0) }

// keep saves what a scan had done when it ended early, with what the old index
// knows of the rest.
func (s *scan) keep(cause error) error {
	if s.last == "" || errors.Is(cause, errIndex) {
		s.out.discard()
		return nil
	}
	for s.old != nil && s.old.next() {
		if CompareKeys(s.old.unit.Key, s.last) <= 0 {
			continue
		}
		if _, err := s.copy(s.old.unit); err != nil {
			s.out.discard()
			return err
		}
	}
	return s.out.publish()
}

// oldIndex goes through the last scan's index beside the walk.
type oldIndex struct {
	reader *indexReader
	unit   Unit
	ahead  bool // unit is known and not used yet
	broken bool
}

// seek moves to the unit of a key, which are asked for in ascending order.
func (o *oldIndex) seek(key string) bool {
	for {
		if !o.ahead && !o.next() {
			return false
		}
		switch c := CompareKeys(o.unit.Key, key); {
		case c == 0:
			return true
		case c > 0:
			o.ahead = true
			return false
		}
		o.ahead = false
	}
}

// next moves to the next unit.
func (o *oldIndex) next() bool {
	if o.ahead {
		o.ahead = false
		return true
	}
	for !o.broken {
		kind, _, body, err := o.reader.next()
		if err != nil {
			o.broken = true
			break
		}
		if kind != entryUnit {
			continue
		}
		var ok bool
		if o.unit, ok = parseUnit(body); ok {
			o.ahead = false
			return true
		}
	}
	return false
}

// rest reads the unit's entries up to its end. It is not sure of a unit that
// was not read to its end, or whose entries are damaged.
func (o *oldIndex) rest(message func(Record) error, damage func(Damage) error) (sure bool, err error) {
	o.ahead = false
	for {
		kind, _, body, err := o.reader.next()
		if err != nil {
			o.broken = true
			return false, nil
		}
		switch kind {
		case entryMessage:
			_, r, ok := parseRecord(body)
			if !ok {
				return false, nil
			}
			if err := message(r); err != nil {
				return false, err
			}
		case entryDamage:
			d, ok := parseDamage(body)
			if !ok {
				return false, nil
			}
			if err := damage(d); err != nil {
				return false, err
			}
		case entryEnd:
			return len(body) == 1 && body[0] == 1, nil
		default:
			o.broken = true
			return false, nil
		}
	}
}

// eachEntry reads a finished index: each message with where its entry is.
func (s *Scanned) eachEntry(each func(at int64, u Unit, r Record) error) error {
	in, err := openIndex(s.Path)
	if err != nil {
		return err
	}
	defer in.close()
	var unit Unit
	for {
		kind, at, body, err := in.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch kind {
		case entryUnit:
			unit, _ = parseUnit(body)
		case entryMessage:
			_, r, ok := parseRecord(body)
			if !ok {
				return errIndex
			}
			if err := each(at, unit, r); err != nil {
				return err
			}
		}
	}
}

// timely reports whether a file's mtime will tell of the next change: file
// systems keep it coarsely, so that one made at once may look the same.
func timely(stamp int64, now time.Time) bool { return now.UnixNano()-stamp > int64(2*time.Second) }
