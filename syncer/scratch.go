package syncer

import (
	"fmt"
	"sync"

	"mailferry/syncer/mailbox"
)

// scratchpad is the run's Scratch, made when it is first needed.
type scratchpad struct {
	once sync.Once
	pad  Scratch
	err  error
}

func (r *run) scratch() (Scratch, error) {
	s := &r.pad
	s.once.Do(func() {
		if r.Scratch == nil {
			s.pad = &heldScratch{}
			return
		}
		s.pad, s.err = r.Scratch()
	})
	return s.pad, s.err
}

func (s *scratchpad) close() error {
	if s.pad == nil {
		return nil
	}
	return s.pad.Close()
}

// heldScratch is a Scratch in memory.
type heldScratch struct {
	mu       sync.Mutex
	messages []mailbox.LocalMessage
}

// Put implements Scratch.
func (h *heldScratch) Put(message mailbox.LocalMessage) (uint32, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.messages = append(h.messages, message)
	return uint32(len(h.messages) - 1), nil
}

// Get implements Scratch.
func (h *heldScratch) Get(place uint32) (mailbox.LocalMessage, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if int(place) >= len(h.messages) {
		return mailbox.LocalMessage{}, fmt.Errorf("place %d: %w", place, mailbox.ErrNotFound)
	}
	return h.messages[place], nil
}

// Close implements Scratch.
func (h *heldScratch) Close() error { return nil }
