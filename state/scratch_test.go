package state

import (
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"slices"
	"sync"
	"testing"

	"mailferry/syncer/mailbox"
)

func someFile(i int) mailbox.LocalMessage {
	m := mailbox.LocalMessage{Key: mailbox.Key(fmt.Sprintf("key%d\xff", i)), Flags: mailbox.NewFlags(mailbox.FlagSeen, "$Junk", fmt.Sprint("k", i%7))}
	if i%3 > 0 {
		m.Content = mailbox.Content{Size: int64(i) << 30, Hash: mailbox.Hash{byte(i), 31: 1}, Header: mailbox.Hash{byte(i), 30: 1}, Verbatim: i%2 == 0}
		m.Date = mailbox.Date{Unix: int64(-i), Offset: -12600, Known: i%5 > 0}
	}
	if i%11 == 0 {
		m.Key, m.Flags = "", mailbox.Flags{}
	}
	return m
}

func TestScratchGivesBackWhatWasPut(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	s, err := NewScratch()
	must(t, err)
	const n, workers = 3000, 3
	places := make([]uint32, n)
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() {
			for i := worker; i < n; i += workers {
				place, err := s.Put(someFile(i))
				if err != nil {
					t.Error(err)
					return
				}
				places[i] = place
				if got, err := s.Get(place); err != nil || !reflect.DeepEqual(got, someFile(i)) {
					t.Errorf("%+v, %v", got, err)
				}
			}
		})
	}
	group.Wait()
	for i := range slices.Backward(places) {
		if got, err := s.Get(places[i]); err != nil || !reflect.DeepEqual(got, someFile(i)) {
			t.Fatalf("%d: %+v, %v", i, got, err)
		}
	}
	must(t, s.Close())
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestScratchIsFullWherePlacesEnd(t *testing.T) {
	s, err := NewScratch()
	must(t, err)
	defer s.Close()
	s.size = math.MaxUint32 + 1
	if _, err := s.Put(someFile(1)); !errors.Is(err, ErrScratchFull) {
		t.Error(err)
	}
}

func TestScratchThatCannotBeWrittenKeepsWhatItHas(t *testing.T) {
	s, err := NewScratch()
	must(t, err)
	place, err := s.Put(someFile(1))
	must(t, err)
	s.file.Close()
	for err == nil {
		_, err = s.Put(someFile(2))
	}
	if got, err := s.Get(place); err != nil || !reflect.DeepEqual(got, someFile(1)) {
		t.Errorf("%+v, %v", got, err)
	}
}
