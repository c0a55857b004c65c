package wire

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"mailferry/syncer/mailbox"
)

// tokens hands out t1, t2 and so on.
type tokens struct {
	asked   int
	refused string
	good    time.Duration
}

func (k *tokens) ask(_ context.Context, refused string) (string, time.Time, error) {
	k.asked++
	k.refused = refused
	until := time.Time{}
	if k.good > 0 {
		until = time.Now().Add(k.good)
	}
	return fmt.Sprintf("t%d", k.asked), until, nil
}

func get(t *testing.T, s *Secret, want string) string {
	t.Helper()
	value, err := s.Get(t.Context())
	if err != nil || value != want {
		t.Errorf("Get = %q, %v; want %q", value, err, want)
	}
	return value
}

func TestTokenIsAskedOnceAndAgainAfterARefusal(t *testing.T) {
	k := &tokens{}
	s := Token(k.ask)
	for range 3 {
		get(t, s, "t1")
	}
	s.Settle("t1", nil)
	if s.Settle("t1", mailbox.ErrNetwork) {
		t.Error("a lost connection says nothing about the token")
	}
	get(t, s, "t1")
	if !s.Settle("t1", mailbox.ErrAuth) {
		t.Error("with another token it may succeed")
	}
	get(t, s, "t2")
	if k.refused != "t1" {
		t.Errorf("told that %q was refused", k.refused)
	}
}

func TestTokenThatAnotherSessionSawRefusedIsNotRefusedTwice(t *testing.T) {
	k := &tokens{}
	s := Token(k.ask)
	get(t, s, "t1")
	for range 2 {
		if !s.Settle("t1", mailbox.ErrAuth) {
			t.Error("both may try another")
		}
	}
	get(t, s, "t2")
	if !s.Settle("t1", mailbox.ErrAuth) {
		t.Error("the late one may, too")
	}
	get(t, s, "t2")
}

func TestTokenThatWasRefusedIsNotSentAgainAtOnce(t *testing.T) {
	s := Token(func(context.Context, string) (string, time.Time, error) { return "same", time.Time{}, nil })
	get(t, s, "same")
	said := fmt.Errorf("%w: said the server", mailbox.ErrAuth)
	s.Settle("same", said)
	if _, err := s.Get(t.Context()); !errors.Is(err, said) {
		t.Errorf("there is no other token: %v", err)
	}
	get(t, s, "same")
}

func TestTokenIsRenewedBeforeItExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := Token((&tokens{good: time.Hour}).ask)
		get(t, s, "t1")
		time.Sleep(58 * time.Minute)
		get(t, s, "t1")
		time.Sleep(time.Minute + time.Second)
		get(t, s, "t2")
	})
}

func TestPasswordThatWorkedIsNotAskedAgain(t *testing.T) {
	asked := 0
	s := Password(func(context.Context) (string, error) {
		asked++
		return "x", nil
	})
	get(t, s, "x")
	s.Settle("x", mailbox.ErrAuth) // mistyped
	get(t, s, "x")
	s.Settle("x", nil)
	s.Settle("x", mailbox.ErrAuth) // a further connection too many
	get(t, s, "x")
	if asked != 2 {
		t.Errorf("asked %d times", asked)
	}
}
