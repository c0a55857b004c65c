package imapremote

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"
	"golang.org/x/sync/errgroup"

	"mailferry/syncer/imapremote/wire"
	"mailferry/syncer/mailbox"
)

const (
	// renewAfter keeps routers from forgetting the connection and servers from
	// ending it, which they may after 30 minutes. (RFC 2177)
	renewAfter = 9 * time.Minute
	// checkWithin is how long a connection may take to show that it lives after
	// the machine slept.
	checkWithin = 10 * time.Second
)

// WatchOptions says what a Watcher waits for.
type WatchOptions struct {
	// Selects says which mailboxes get a connection of their own, at most
	// Options.Connections, where the server lacks NOTIFY.
	Selects func(mailbox.Name) bool
	// Renew is after how long silence a connection has to show that it lives.
	// 0 is 9 minutes.
	Renew time.Duration
	// News is told that something may have changed: in one mailbox, or "" for
	// anywhere. It must not block.
	News func(mailbox.Name)
}

// Watcher waits for news of an account's mailboxes: of all of them over one
// connection where the server has NOTIFY (RFC 5465), else of some of them over
// one each with IDLE (RFC 2177). Its methods may be called from several
// goroutines; Watch by one at a time.
type Watcher struct {
	account Options
	opts    WatchOptions

	mu      sync.Mutex
	check   chan struct{} // closed when all connections are to be checked
	all     bool
	covered map[mailbox.Name]bool
}

// NewWatcher does not connect yet.
func NewWatcher(account Options, opts WatchOptions) *Watcher {
	if opts.Renew <= 0 {
		opts.Renew = renewAfter
	}
	account.ReadOnly = true
	return &Watcher{account: account, opts: opts, check: make(chan struct{}), covered: map[mailbox.Name]bool{}}
}

// Watch connects and waits until a connection ends or ctx does; it says why.
// Errors are those of Open, or wrap ErrUnsupported: the server tells nothing by
// itself.
func (w *Watcher) Watch(ctx context.Context) error {
	defer w.uncover()
	a, err := Open(ctx, w.account)
	if err != nil {
		return err
	}
	defer a.Close()
	if !a.caps.has("IDLE") {
		return fmt.Errorf("IDLE is %w", mailbox.ErrUnsupported)
	}
	if a.caps.has("NOTIFY") {
		if err := w.notify(ctx, a); !isRefusal(err) {
			return err
		}
		a.log.Info("server refuses NOTIFY")
	}
	return w.idleAll(ctx, a)
}

// Check has every connection show at once that it lives: the machine slept.
func (w *Watcher) Check() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.check)
	w.check = make(chan struct{})
}

// Covers reports whether news of a mailbox would be told.
func (w *Watcher) Covers(name mailbox.Name) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all || w.covered[name]
}

// Covered tells how many mailboxes are watched; all says: every one.
func (w *Watcher) Covered() (mailboxes int, all bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.covered), w.all
}

// patience is how long an answer may take.
func (w *Watcher) patience() time.Duration {
	if timeout := w.account.Dialer.Timeout; timeout > 0 {
		return timeout
	}
	return time.Minute
}

func (w *Watcher) uncover() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = false
	clear(w.covered)
}

// notify waits on one connection for news of all mailboxes. INBOX is selected:
// Dovecot notices mail that somebody else put into a Maildir only there. And it
// idles: else Dovecot 2.3 keeps news of INBOX to itself that follow others within
// a second.
func (w *Watcher) notify(ctx context.Context, a *Account) error {
	return a.with(ctx, "", false, func(s *session) error {
		var opened wire.Selected
		err := s.raw(ctx, func(x *wire.Exchange) (err error) {
			if opened, err = s.open(x, string(mailbox.Inbox), false); err != nil && !isRefusal(err) {
				return err
			}
			return x.Notify()
		})
		if err != nil {
			return err
		}
		return w.idle(ctx, s, "", w.listen(a, s, mailbox.Inbox, opened.Exists))
	})
}

// idleAll waits on one connection for each mailbox that is chosen.
func (w *Watcher) idleAll(ctx context.Context, a *Account) error {
	listed, err := a.List(ctx)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, name := range w.choose(listed, a.opts.Connections) {
		group.Go(func() error { return w.idleOn(ctx, a, name) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return fmt.Errorf("IDLE on any of the mailboxes is %w", mailbox.ErrUnsupported)
}

// choose takes INBOX first.
func (w *Watcher) choose(listed []mailbox.Listed, most int) []mailbox.Name {
	var names []mailbox.Name
	for _, row := range listed {
		switch {
		case !w.opts.Selects(row.Name):
		case row.Name == mailbox.Inbox:
			names = slices.Insert(names, 0, row.Name)
		default:
			names = append(names, row.Name)
		}
	}
	return names[:min(len(names), most)]
}

// idleOn waits for news of one mailbox. One that cannot be opened is nil.
func (w *Watcher) idleOn(ctx context.Context, a *Account, name mailbox.Name) error {
	wireName, err := a.names.toWire(name)
	if err != nil {
		return nil
	}
	return a.with(ctx, wireName, false, func(s *session) error {
		var opened wire.Selected
		err := s.raw(ctx, func(x *wire.Exchange) (err error) {
			opened, err = s.open(x, wireName, false)
			return err
		})
		if isRefusal(err) {
			a.log.Info("mailbox is not watched", "mailbox", string(name), "error", err)
			return nil
		}
		if err != nil {
			return err
		}
		return w.idle(ctx, s, name, w.listen(a, s, name, opened.Exists))
	})
}

// idle waits for news of the selected mailbox, and with name "" of all.
func (w *Watcher) idle(ctx context.Context, s *session, name mailbox.Name, ended <-chan struct{}) error {
	for first := true; ; first = false {
		var cmd *imapclient.IdleCommand
		// The stream takes silence from here on for what IDLE is for.
		err := alive(ctx, w.patience(), func(ctx context.Context) error {
			return s.control(ctx, "IDLE", func() (err error) {
				cmd, err = s.client.Idle()
				return err
			})
		})
		if err != nil {
			return err
		}
		if first {
			w.mu.Lock()
			if w.all = name == ""; !w.all {
				w.covered[name] = true
			}
			w.mu.Unlock()
			w.opts.News(name) // what happened before
		}
		within, reason := w.wait(ctx, s, ended)
		err = alive(context.WithoutCancel(ctx), within, func(ctx context.Context) error {
			return s.control(ctx, "IDLE", func() error { return errors.Join(cmd.Close(), cmd.Wait()) })
		})
		if reason != nil {
			return reason
		}
		if err != nil {
			return err
		}
	}
}

// listen has the session's news told. The channel is closed when the server
// ends its service: BYE, or no more news.
func (w *Watcher) listen(a *Account, s *session, selected mailbox.Name, exists uint32) (ended <-chan struct{}) {
	done := make(chan struct{})
	end := sync.OnceFunc(func() { close(done) })
	s.conn.OnUntagged(func(note wire.Untagged) {
		name := selected
		switch note.Kind {
		case "BYE":
			end()
			return
		case "NOTIFICATIONOVERFLOW":
			end()
			name = ""
		case "LIST":
			name = ""
		case "STATUS":
			// A name without a counterpart is any mailbox.
			name, _ = a.names.fromWire(note.Name, a.Separator())
		case "EXISTS":
			// Some servers repeat it to keep the connection alive.
			if note.Number == exists {
				return
			}
			exists = note.Number
		case "EXPUNGE", "VANISHED":
			exists = 0 // the next EXISTS is news in any case
		case "ALERT":
			return
		}
		w.opts.News(name)
	})
	return done
}

// wait returns when it is time to see whether the connection lives, with how
// long that may take; or why there is nothing to wait for any more.
func (w *Watcher) wait(ctx context.Context, s *session, ended <-chan struct{}) (within time.Duration, err error) {
	w.mu.Lock()
	check := w.check
	w.mu.Unlock()
	renew := time.NewTimer(w.opts.Renew)
	defer renew.Stop()
	select {
	case <-renew.C:
		return w.patience(), nil
	case <-check:
		return checkWithin, nil
	case <-ctx.Done():
		return farewell, ctx.Err()
	case <-s.conn.Done():
		return farewell, s.conn.Err()
	case <-ended:
		if err := s.conn.Err(); err != nil {
			return farewell, err
		}
		return farewell, fmt.Errorf("the server tells no more news: %w", mailbox.ErrUnavailable)
	}
}

// alive calls fn, which asks the server something, and words it when that took
// too long.
func alive(ctx context.Context, within time.Duration, fn func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	err := fn(limited)
	if err != nil && ctx.Err() == nil && limited.Err() != nil {
		return fmt.Errorf("%w: no answer within %v: %w", mailbox.ErrNetwork, within, err)
	}
	return err
}
