package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/google/renameio/v2/maybe"
	"github.com/spf13/cobra"

	"mailferry/cmd/internal/config"
	"mailferry/syncer/mailbox"
)

// manners are the flags of a run that nobody watches.
type manners struct {
	oncePerStreak, quietOffline bool
	jitterText                  string
	jitter                      time.Duration
}

func (m *manners) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&m.oncePerStreak, "once-per-streak", false, "tell a failure that repeats once, and again after a day or when it changes")
	flags.BoolVar(&m.quietOffline, "quiet-offline", false, "print nothing when the server cannot be reached; the exit code is still 13")
	flags.StringVar(&m.jitterText, "jitter", "", "wait up to `TIME` first, at random, so that not all come at once")
}

func (m *manners) check() (err error) {
	if m.jitterText == "" {
		return nil
	}
	if m.jitter, err = config.ParseAge(m.jitterText); err != nil {
		return usagef("--jitter: %w", err)
	}
	return nil
}

// wait is the jitter. An error says that it was interrupted.
func (a *app) wait(ctx context.Context, m manners) error {
	if m.jitter <= 0 {
		return nil
	}
	timer := time.NewTimer(rand.N(m.jitter))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-a.stop:
	case <-ctx.Done():
	}
	return status(exitInterrupted)
}

// tellAgain is after how long a failure that goes on is told once more.
const tellAgain = 24 * time.Hour

// maxTellings bounds how many kinds of failure are remembered.
const maxTellings = 50

// toldFailures is what an account's runs told since the last success.
type toldFailures struct {
	Account string               `json:"account"`
	Store   string               `json:"store"`
	Told    map[string]time.Time `json:"told"` // by kind of failure
}

// streakFile is where an account's streak is remembered: not in its store,
// which may be what is missing.
func (a *app) streakFile(account config.Account) string {
	sum := sha256.Sum256([]byte(account.Name + "\x00" + absolute(account.Store)))
	return filepath.Join(config.StateDir(a.env), "streaks", hex.EncodeToString(sum[:16])+".json")
}

// isMuted reports whether a run's end is not to be told, and takes it down. In
// doubt it is told.
func (a *app) isMuted(j job, code int, blocks []block, err error) bool {
	if j.manners.quietOffline && code == exitTemporary && errors.Is(err, mailbox.ErrNetwork) {
		return true
	}
	if !j.manners.oncePerStreak || j.flags.dryRun || code == exitInterrupted || a.console.IsTerminal() {
		return false
	}
	path := a.streakFile(j.target.account)
	if code == exitDone {
		os.Remove(path)
		return false
	}
	s := toldFailures{Told: map[string]time.Time{}}
	if text, err := os.ReadFile(path); err != nil || json.Unmarshal(text, &s) != nil || len(s.Told) >= maxTellings {
		s.Told = map[string]time.Time{}
	}
	kind, now := kindOfFailure(code, blocks), time.Now()
	if since := now.Sub(s.Told[kind]); since >= 0 && since < tellAgain {
		return true
	}
	s.Account, s.Store, s.Told[kind] = j.target.account.Name, absolute(j.target.account.Store), now
	if err := writeStreak(path, s); err != nil {
		a.log.Info("a failure will be told again", "error", err)
	}
	return false
}

func writeStreak(path string, s toldFailures) error {
	text, err := json.Marshal(s)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err != nil {
		return err
	}
	return maybe.WriteFile(path, append(text, '\n'), 0o600)
}

// runNumbers is what differs from run to run: counts, ports, times.
var runNumbers = regexp.MustCompile(`[0-9]+`)

// kindOfFailure is the same for failures that differ in their numbers only.
func kindOfFailure(code int, blocks []block) string {
	hash := sha256.New()
	fmt.Fprintln(hash, code)
	for _, b := range blocks {
		fmt.Fprintln(hash, runNumbers.ReplaceAllString(b.message, "#"))
	}
	return hex.EncodeToString(hash.Sum(nil)[:16])
}
