package oauth

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/zalando/go-keyring"

	"mailferry/cmd/internal/vault"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// signedIn is an account whose token is stored.
type signedIn struct {
	*synctest.Authority
	source Source
}

func signIn(t *testing.T, at Place, change func(*synctest.Authority)) signedIn {
	t.Helper()
	authority := synctest.StartAuthority(t)
	if change != nil {
		change(authority)
	}
	s := Source{
		Client: clientOf(authority), Log: slog.New(slog.DiscardHandler),
		Store: Store{Account: "home", Folder: vault.Folder{Dir: filepath.Join(t.TempDir(), "state", "tokens")}},
	}
	if at == InKeyring {
		keyring.MockInit()
		s.Store.Keyring = &vault.Keyring{}
	}
	token, err := s.Client.SignInByBrowser(t.Context(), func(page string) { go browse(t, page) }, nil)
	if err != nil {
		t.Fatal(err)
	}
	if place, err := s.Store.Save(t.Context(), token, at); err != nil || place != at {
		t.Fatalf("stored in %q: %v", place, err)
	}
	return signedIn{authority, s}
}

func (s signedIn) token(t *testing.T, refused string) string {
	t.Helper()
	token, _, err := s.source.Token(t.Context(), refused)
	if err != nil {
		t.Errorf("Token(%v): %v", refused != "", err)
	}
	return token
}

func TestTokenIsReusedUntilShortlyBeforeItExpires(t *testing.T) {
	s := signIn(t, InFile, nil)
	first := s.token(t, "")
	if again := s.token(t, ""); again != first || s.Renewals != 0 {
		t.Errorf("%d renewals", s.Renewals)
	}
	stored, place, err := s.source.Store.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stored.Expiry = time.Now().Add(margin - time.Second)
	if _, err := s.source.Store.Save(t.Context(), stored, place); err != nil {
		t.Fatal(err)
	}
	if again := s.token(t, ""); again == first || s.Renewals != 1 {
		t.Errorf("%d renewals", s.Renewals)
	}
}

func TestRotatedTokensAreStoredWhereTheOldOnesWere(t *testing.T) {
	for _, place := range []Place{InFile, InKeyring} {
		s := signIn(t, place, nil)
		before := s.token(t, "")
		// Each renewal needs what the one before it stored.
		for range 3 {
			after := s.token(t, before)
			if after == before {
				t.Errorf("%s: the refused token is handed out again", place)
			}
			before = after
		}
		stored, at, err := s.source.Store.Load(t.Context())
		if err != nil || at != place || stored.Access != before || s.Renewals != 3 || !stored.Renewing.IsZero() {
			t.Errorf("%s: in %s, %d renewals, %v", place, at, s.Renewals, err)
		}
	}
}

func TestARefreshTokenThatIsNotRotatedIsKept(t *testing.T) {
	s := signIn(t, InFile, func(a *synctest.Authority) { a.Steady, a.LoginLifetime = true, 0 })
	for range 2 {
		s.token(t, s.token(t, ""))
	}
	if s.Renewals != 2 {
		t.Errorf("%d renewals", s.Renewals)
	}
}

// The server takes each refresh token once: two at a time would end the
// sign-in.
func TestConcurrentRunsRenewOnce(t *testing.T) {
	s := signIn(t, InFile, nil)
	old := s.token(t, "")
	var runs sync.WaitGroup
	for range 8 {
		runs.Go(func() { s.token(t, old) })
	}
	runs.Wait()
	if s.Renewals != 1 {
		t.Errorf("%d renewals", s.Renewals)
	}
}

// The process is killed when the server has taken the refresh token and before
// the new one is stored.
func TestCrashBetweenRenewalAndStore(t *testing.T) {
	for name, lenient := range map[string]bool{"old one stays good": true, "old one is void": false} {
		s := signIn(t, InFile, func(a *synctest.Authority) { a.Lenient = lenient })
		old, place, err := s.source.Store.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// What a killed process leaves: the mark, and a server that went on.
		old.Renewing = time.Now().Add(-time.Minute)
		if _, err := s.source.Store.Save(t.Context(), old, place); err != nil {
			t.Fatal(err)
		}
		if _, err := s.source.Client.Renew(t.Context(), old); err != nil {
			t.Fatal(err)
		}
		_, _, err = s.source.Token(t.Context(), old.Access)
		if lenient {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if !errors.Is(err, mailbox.ErrAuth) || !strings.Contains(err.Error(), "interrupted while it renewed") {
			t.Errorf("%s: %v", name, err)
		}
		withoutCanary(t, name, err)
		stored, _, err := s.source.Store.Load(t.Context())
		if err != nil || stored.Refused != "invalid_grant" || strings.Contains(stored.Reason, synctest.Canary) {
			t.Errorf("%s: stored %q %q, %v", name, stored.Refused, stored.Reason, err)
		}
	}
}

func TestATokenThatCannotBeStoredIsNotRenewed(t *testing.T) {
	s := signIn(t, InFile, nil)
	old := s.token(t, "")
	// A folder where the file belongs.
	path := filepath.Join(s.source.Store.Folder.Dir, "for-home")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s.source.Store.Keyring = &vault.Keyring{}
	keyring.MockInit()
	if err := keyring.Set(vault.Service, "home/oauth2", string(text)); err != nil {
		t.Fatal(err)
	}
	s.source.Store.Folder.Dir = filepath.Join(path, "not-a-folder")
	if _, _, err := s.source.Token(t.Context(), old); err == nil || s.Renewals != 0 {
		t.Errorf("%d renewals: %v", s.Renewals, err)
	}
}

func TestACancelledRunMovesNoTokenIntoTheFile(t *testing.T) {
	s := signIn(t, InKeyring, nil)
	stored, _, err := s.source.Store.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	keyring.MockInitWithError(errors.New("locked"))
	if place, err := s.source.Store.Save(ctx, stored, InKeyring); place != "" || !errors.Is(err, context.Canceled) {
		t.Errorf("%s, %v", place, err)
	}
}

func TestAKeyringThatTakesNoMoreIsReplacedByTheFile(t *testing.T) {
	s := signIn(t, InKeyring, nil)
	stored, _, err := s.source.Store.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	keyring.MockInitWithError(keyring.ErrSetDataTooBig)
	if place, err := s.source.Store.Save(t.Context(), stored, InKeyring); place != InFile || err != nil {
		t.Errorf("%s, %v", place, err)
	}
	if s.token(t, "") != stored.Access {
		t.Error("another token")
	}
}

func TestRevokedSignInIsRememberedAndSaid(t *testing.T) {
	s := signIn(t, InFile, nil)
	old := s.token(t, "")
	s.Revoke(true)
	_, _, err := s.source.Token(t.Context(), old)
	var refused *Refusal
	if !errors.As(err, &refused) || refused.Code != "invalid_grant" || !errors.Is(err, mailbox.ErrAuth) || !refused.Interrupted.IsZero() {
		t.Error(err)
	}
	withoutCanary(t, "revoked", err)
	if stored, _, err := s.source.Store.Load(t.Context()); err != nil || stored.Refused == "" {
		t.Errorf("it is not remembered: %v", err)
	}
}

func TestAuthorizationServerInTroubleIsTemporary(t *testing.T) {
	s := signIn(t, InFile, nil)
	old := s.token(t, "")
	s.Broken = 503
	_, _, err := s.source.Token(t.Context(), old)
	if !errors.Is(err, mailbox.ErrUnavailable) || errors.Is(err, mailbox.ErrAuth) {
		t.Error(err)
	}
	withoutCanary(t, "503", err)
	s.Broken = 0
	s.token(t, old)
	stored, _, _ := s.source.Store.Load(t.Context())
	if stored.Refused != "" {
		t.Errorf("remembered as %q", stored.Refused)
	}
	s.source.Client.TokenURL = "http://127.0.0.1:1/token"
	_, err = s.source.Client.Renew(t.Context(), stored)
	if !errors.Is(err, mailbox.ErrNetwork) {
		t.Error(err)
	}
}

func TestTheRefreshTokenGoesToNobodyElse(t *testing.T) {
	s := signIn(t, InFile, nil)
	old := s.token(t, "")
	other := synctest.StartAuthority(t)
	s.source.Client.TokenURL = other.URL + "/token"
	if _, _, err := s.source.Token(t.Context(), old); !errors.Is(err, ErrNotSignedIn) || other.Last != nil {
		t.Errorf("%v; sent %v", err, other.Last != nil)
	}
}

func TestNotSignedIn(t *testing.T) {
	s := Source{Store: Store{Account: "home", Folder: vault.Folder{Dir: t.TempDir()}}}
	if _, _, err := s.Token(t.Context(), ""); !errors.Is(err, ErrNotSignedIn) || !errors.Is(err, mailbox.ErrAuth) {
		t.Error(err)
	}
}

func TestWithoutARefreshTokenTheSignInEndsWithItsToken(t *testing.T) {
	s := signIn(t, InFile, func(a *synctest.Authority) { a.NoRefresh = true })
	if _, _, err := s.source.Token(t.Context(), s.token(t, "")); !errors.Is(err, ErrNotSignedIn) {
		t.Error(err)
	}
}

func TestALockThatAnotherRunHoldsIsWaitedForWithinTheContext(t *testing.T) {
	s := signIn(t, InFile, nil)
	old := s.token(t, "")
	unlock, err := s.source.Store.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, _, err := s.source.Token(ctx, old); !errors.Is(err, context.DeadlineExceeded) || s.Renewals != 0 {
		t.Errorf("%v, %d renewals", err, s.Renewals)
	}
	if ok, _ := flock.New(filepath.Join(s.source.Store.Folder.Dir, "lock-home")).TryLock(); ok {
		t.Error("nobody holds the lock")
	}
}
