package wire

import (
	"context"
	"sync/atomic"
	"testing"

	"mailferry/syncer/mailbox"
)

func TestTokenIsAskedOnceAndAgainAfterARefusal(t *testing.T) {
	var asked atomic.Int32
	s := Secret{Expires: true, Ask: func(context.Context) (string, error) {
		asked.Add(1)
		return "x", nil
	}}
	for range 3 {
		if value, err := s.Get(t.Context()); value != "x" || err != nil {
			t.Fatal(value, err)
		}
	}
	s.Settle(nil)
	s.Settle(mailbox.ErrNetwork)
	if _, err := s.Get(t.Context()); err != nil || asked.Load() != 1 {
		t.Errorf("asked %d times", asked.Load())
	}
	if !s.Settle(mailbox.ErrAuth) {
		t.Error("a secret that worked and is refused has expired")
	}
	if _, err := s.Get(t.Context()); err != nil || asked.Load() != 2 {
		t.Errorf("asked %d times", asked.Load())
	}
	if s.Settle(mailbox.ErrAuth) {
		t.Error("a secret that never worked has not expired")
	}
}

func TestPasswordThatWorkedIsNotAskedAgain(t *testing.T) {
	asked := 0
	s := Secret{Ask: func(context.Context) (string, error) {
		asked++
		return "x", nil
	}}
	s.Get(t.Context())
	s.Settle(mailbox.ErrAuth) // mistyped
	s.Get(t.Context())
	s.Settle(nil)
	s.Settle(mailbox.ErrAuth) // a further connection too many
	if value, err := s.Get(t.Context()); value != "x" || err != nil || asked != 2 {
		t.Errorf("%q, %v, asked %d times", value, err, asked)
	}
}
