package monitor

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// service records pings and answers as told.
type service struct {
	*httptest.Server
	mu     sync.Mutex
	heard  []string
	answer func(attempt int, w http.ResponseWriter, r *http.Request)
}

func newService(t *testing.T, answer func(int, http.ResponseWriter, *http.Request)) *service {
	s := &service{answer: answer}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.heard = append(s.heard, r.Method+" "+r.RequestURI+" "+strings.TrimSpace(string(body)))
		n := len(s.heard)
		s.mu.Unlock()
		if s.answer != nil {
			s.answer(n, w, r)
		}
	}))
	t.Cleanup(s.CloseClientConnections)
	return s
}

func (s *service) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.heard)
}

func newPinger() *Pinger { return &Pinger{Log: slog.New(slog.DiscardHandler)} }

func TestPingTellsStartSuccessAndFailure(t *testing.T) {
	s := newService(t, nil)
	for _, code := range []int{0, 12} {
		p := newPinger()
		end := p.Start(t.Context(), s.URL+"/key/mail-{account}?create=1", "a b")
		end(Run{Account: "a b", Command: "sync", ExitCode: code, Counts: []Count{{"downloaded", 3}}})
	}
	want := []string{
		"POST /key/mail-a%20b/start?create=1 ", "POST /key/mail-a%20b?create=1 exit_code=0 command=sync duration_ms=0 downloaded=3",
		"POST /key/mail-a%20b/start?create=1 ", "POST /key/mail-a%20b/fail?create=1 exit_code=12 command=sync duration_ms=0 downloaded=3",
	}
	if got := s.all(); !slices.Equal(got, want) {
		t.Errorf("heard\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestGoodNewsIsToldOnceAMinuteAndBadNewsAtOnce(t *testing.T) {
	s := newService(t, nil)
	p := newPinger()
	for _, code := range []int{0, 0, 0, 1, 1, 0, 0} {
		p.Start(t.Context(), s.URL, "a")(Run{ExitCode: code})
	}
	p.good["a"] = time.Now().Add(-2 * goodNews)
	p.Start(t.Context(), s.URL, "a")(Run{})
	var paths []string
	for _, line := range s.all() {
		paths = append(paths, strings.Fields(line)[1])
	}
	if got, want := strings.Join(paths, " "), "/start / /fail /start /fail /start / /start /"; got != want {
		t.Errorf("heard %s, want %s", got, want)
	}
}

func TestPingSaysNothingOfRunsThatAnotherRunOrPersonEnded(t *testing.T) {
	s := newService(t, nil)
	p := newPinger()
	for _, code := range []int{11, 130} {
		end := p.Start(t.Context(), s.URL, "a")
		end(Run{ExitCode: code})
	}
	if got := s.all(); len(got) != 2 {
		t.Errorf("heard %q, want two starts", got)
	}
}

func TestPingIsSentAlthoughTheRunWasCancelled(t *testing.T) {
	s := newService(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	end := newPinger().Start(ctx, s.URL, "a")
	cancel()
	end(Run{ExitCode: 1})
	if got := s.all(); !slices.ContainsFunc(got, func(line string) bool { return strings.HasPrefix(line, "POST /fail ") }) {
		t.Errorf("heard %q", got)
	}
}

func TestPingTriesAgainAfterServerErrorsOnly(t *testing.T) {
	for status, want := range map[int]int{500: attempts, 429: attempts, 404: 1} {
		s := newService(t, func(_ int, w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) })
		p := newPinger()
		if p.ping(t.Context(), s.URL, "a", "", "", attempts) || len(s.all()) != want {
			t.Errorf("status %d: %d pings, want %d", status, len(s.all()), want)
		}
	}
}

func TestAServiceThatHangsCostsAllRunsOfAProcessTenSecondsTogether(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s := newService(t, func(_ int, _ http.ResponseWriter, r *http.Request) { <-release })
	defer close(release)
	p := newPinger()
	began := time.Now()
	for range 5 {
		end := p.Start(t.Context(), s.URL, "a")
		end(Run{ExitCode: 0})
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("five runs waited %v", took)
	}
}

func TestPingDoesNotFollowARedirectIntoTheClear(t *testing.T) {
	s := newService(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://192.0.2.1/", http.StatusTemporaryRedirect)
	})
	again, err := post(t.Context(), s.URL, "")
	if err == nil || !strings.Contains(err.Error(), "in the clear") || !again {
		t.Errorf("%v, %v", again, err)
	}
}

func TestPingErrorsDoNotRepeatTheURL(t *testing.T) {
	s := newService(t, nil)
	s.Close()
	_, err := post(t.Context(), s.URL+"/s3cret", "")
	if err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("%v", err)
	}
}

func TestCheckURL(t *testing.T) {
	for text, fine := range map[string]bool{
		"https://hc-ping.com/uuid": true, "https://hc-ping.com/key/{account}": true, "http://127.0.0.1:8000/ping": true, "http://[::1]/x": true,
		"http://localhost/x": true, "http://example.com/x": false, "http://127.0.0.1.example.com/": false, "ftp://x/": false, "uuid": false, "": false,
	} {
		if err := CheckURL(text); (err == nil) != fine {
			t.Errorf("%q: %v", text, err)
		}
	}
}
