package monitor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"
)

// The time limits of pings. A service that does not answer costs all runs of a
// process patience together; after a pause it is tried again.
const (
	attempts   = 3
	perAttempt = 2500 * time.Millisecond
	patience   = 9 * time.Second
	pause      = time.Hour
)

// goodNews is how long a success needs no telling once more: a program that
// stays runs whenever something changes, and services limit how often they are
// pinged.
const goodNews = time.Minute

// Pinger pings services in the manner of healthchecks.io: URL/start, URL,
// URL/fail. Its methods may be called from several goroutines.
type Pinger struct {
	Log *slog.Logger

	mu     sync.Mutex
	waited time.Duration        // for answers, in vain
	since  time.Time            // when waited began to count
	good   map[string]time.Time // when a success was told last, by account
}

// CheckURL returns an error if text cannot be pinged: it must be https, or http
// on this machine.
func CheckURL(text string) error {
	u, err := url.Parse(strings.ReplaceAll(text, accountMark, "x"))
	if err != nil || u.Host == "" {
		return errors.New("is not a URL")
	}
	return checkSecure(u)
}

func checkSecure(u *url.URL) error {
	switch {
	case u.Scheme == "https":
		return nil
	case u.Scheme != "http":
		return errors.New("is not an https URL")
	case !isLoopback(u.Hostname()):
		return errors.New("would be pinged in the clear: only https, or http on this machine, is")
	}
	return nil
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// accountMark in a URL stands for the account's name.
const accountMark = "{account}"

// address is where to ping: text with the account's name, and a last element.
func address(text, account, element string) (string, error) {
	u, err := url.Parse(strings.ReplaceAll(text, accountMark, url.PathEscape(account)))
	if err != nil {
		return "", errors.New("not a URL")
	}
	if element != "" {
		u = u.JoinPath(element)
	}
	return u.String(), nil
}

// Start tells that a run begins, and does not wait for the answer. The function
// that it returns tells the end; it waits a few seconds at most.
func (p *Pinger) Start(ctx context.Context, target, account string) (end func(Run)) {
	quiet := p.wasGood(account)
	// A run that is cancelled still tells.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	started := make(chan struct{})
	go func() {
		defer close(started)
		if !quiet && p.mayWait() {
			p.ping(ctx, target, account, "start", "", 2)
		}
	}()
	return func(run Run) {
		defer cancel()
		began := time.Now()
		select {
		case <-started:
		case <-time.After(min(perAttempt, max(0, p.left()))):
			// An end that overtakes its start would look like a run that hangs.
			cancel()
			<-started
		}
		element, tells := elementFor(run.ExitCode)
		isGood := run.ExitCode == 0
		if !tells || isGood && quiet || !p.mayWait() {
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.left()-time.Since(began))
		defer cancel()
		answered := p.ping(ctx, target, account, element, describe(run), attempts)
		p.account(time.Since(began), answered)
		p.note(account, isGood && answered)
	}
}

// wasGood reports whether a success was told a moment ago, and nothing else
// since.
func (p *Pinger) wasGood(account string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	told, known := p.good[account]
	return known && time.Since(told) < goodNews
}

func (p *Pinger) note(account string, isGood bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.good == nil {
		p.good = map[string]time.Time{}
	}
	delete(p.good, account)
	if isGood {
		p.good[account] = time.Now()
	}
}

// elementFor is what is behind the URL for an exit code. Another run that
// holds the store tells for itself, and who interrupts a run knows.
func elementFor(code int) (element string, tells bool) {
	switch code {
	case 0:
		return "", true
	case 11, 130:
		return "", false
	}
	return "fail", true
}

// describe is the body: counts only, as names of mailboxes and servers are not
// the service's business.
func describe(run Run) string {
	var b strings.Builder
	fmt.Fprintf(&b, "exit_code=%d command=%s duration_ms=%d", run.ExitCode, run.Command, run.Duration.Milliseconds())
	for _, count := range run.Counts {
		fmt.Fprintf(&b, " %s=%d", count.Name, count.N)
	}
	return b.String() + "\n"
}

// left is how long may still be waited.
func (p *Pinger) left() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.since) > pause {
		p.waited = 0
	}
	return patience - p.waited
}

func (p *Pinger) mayWait() bool { return p.left() >= perAttempt/2 }

// account takes down how long was waited.
func (p *Pinger) account(waited time.Duration, answered bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if answered {
		p.waited = 0
		return
	}
	p.waited += waited
	p.since = time.Now()
}

// ping tries a few times and reports whether it was heard.
func (p *Pinger) ping(ctx context.Context, target, account, element, body string, attempts int) bool {
	to, err := address(target, account, element)
	for attempt := range attempts {
		if err != nil || ctx.Err() != nil {
			break
		}
		if attempt > 0 {
			select {
			case <-time.After(300 * time.Millisecond):
			case <-ctx.Done():
			}
		}
		var again bool
		if again, err = post(ctx, to, body); err == nil {
			return true
		}
		p.Log.Info("ping not heard", "account", account, "attempt", attempt+1, "error", err)
		if !again {
			break
		}
		err = nil
	}
	return false
}

// client never follows a redirect to where a URL could not be pinged itself.
var client = http.Client{CheckRedirect: func(req *http.Request, via []*http.Request) error {
	if len(via) > 3 {
		return errors.New("too many redirects")
	}
	return checkSecure(req.URL)
}}

// post sends one ping. again says whether another attempt makes sense. Errors
// do not repeat the URL: whoever knows it can ping.
func post(ctx context.Context, to, body string) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, perAttempt)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(body))
	if err != nil {
		return false, errors.New("not a URL")
	}
	req.Header.Set("User-Agent", "mailferry")
	req.Header.Set("Content-Type", "text/plain")
	res, err := client.Do(req)
	var inner *url.Error
	if errors.As(err, &inner) {
		return true, inner.Err
	}
	if err != nil {
		return true, err
	}
	defer res.Body.Close()
	io.CopyN(io.Discard, res.Body, 4<<10)
	switch {
	case res.StatusCode < 300:
		return false, nil
	case res.StatusCode == http.StatusTooManyRequests || res.StatusCode >= 500:
		return true, errors.New(res.Status)
	}
	return false, errors.New(res.Status)
}
