package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"mailferry/syncer/synctest"
)

// canaryWorld is a world in which every run is searched for synctest.Canary: what
// it shows, what others see of it, and what it leaves on disk.
type canaryWorld struct{ *world }

// pageAddress is the page that auth login names.
var pageAddress = regexp.MustCompile(`(?m)^  (http\S+)$`)

// does runs the program with -vv, with somebody in front of the browser, and
// looks for secrets in all that it shows and leaves.
func (w *canaryWorld) does(args ...string) outcome {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := w.command(ctx, append(args, "-vv")...)
	var stdout bytes.Buffer
	said := &overheard{}
	cmd.Stdout, cmd.Stderr = &stdout, said
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	ended := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() { browseWhenAsked(said, ended) })
	var visible []byte
	others.Go(func() { visible = visibleToOthers(cmd.Process.Pid, ended) })
	_ = cmd.Wait() // its exit code tells
	close(ended)
	others.Wait()
	if ctx.Err() != nil {
		w.t.Fatalf("mailferry %s does not end\n%s", strings.Join(args, " "), said.text())
	}
	if bytes.Contains(visible, []byte(synctest.Canary)) {
		w.t.Errorf("mailferry %s: a secret is on a command line", strings.Join(args, " "))
	}
	w.withoutSecrets(strings.Join(args, " "), stdout.String()+said.text())
	return outcomeOf(w.t, cmd, stdout.Bytes(), said.text())
}

// withoutSecrets searches texts and everything on disk but the tokens' own
// folder.
func (w *canaryWorld) withoutSecrets(what, text string) {
	w.t.Helper()
	if at := strings.Index(text, synctest.Canary); at >= 0 {
		w.t.Errorf("%s: a secret is shown: %.200s", what, text[max(0, at-100):])
	}
	own := filepath.Join(w.home, "state", "mailferry", "tokens")
	for _, root := range []string{w.home, w.tmp} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || path == own {
				if path == own {
					return fs.SkipDir
				}
				return err
			}
			if !entry.Type().IsRegular() {
				return nil
			}
			data, err := os.ReadFile(path)
			if bytes.Contains(data, []byte(synctest.Canary)) {
				w.t.Errorf("%s: a secret is in %s", what, path)
			}
			return err
		})
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// overheard is a stderr that can be read while it is written.
type overheard struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (o *overheard) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.Write(p)
}

func (o *overheard) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.String()
}

// browseWhenAsked opens the page that the program names, once.
func browseWhenAsked(said *overheard, ended <-chan struct{}) {
	for {
		if page := pageAddress.FindStringSubmatch(said.text()); page != nil && strings.Contains(page[1], "state=") {
			// What goes wrong shows in how the program ends.
			if answer, err := http.Get(page[1]); err == nil {
				_, _ = io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
			}
			return
		}
		select {
		case <-ended:
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// visibleToOthers is what ps shows of a process and of what it starts.
func visibleToOthers(pid int, ended <-chan struct{}) []byte {
	var seen []byte
	for {
		lines, _ := filepath.Glob("/proc/[0-9]*/stat")
		for _, path := range lines {
			stat, err := os.ReadFile(path)
			if err != nil {
				continue
			}
			_, rest, _ := strings.Cut(string(stat), ") ")
			var state string
			var parent int
			if _, err := fmt.Sscan(rest, &state, &parent); err == nil && (parent == pid || strings.HasPrefix(string(stat), fmt.Sprintf("%d ", pid))) {
				line, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
				seen = append(seen, line...)
			}
		}
		select {
		case <-ended:
			return seen
		case <-time.After(20 * time.Millisecond):
		}
	}
}
