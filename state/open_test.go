package state

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
)

// TestMain lets the test's program be the other process that a test needs.
func TestMain(m *testing.M) {
	switch os.Getenv("MAILFERRY_STATE_CHILD") {
	case "open":
		childOpens()
	case "commit":
		childCommits()
	default:
		os.Exit(m.Run())
	}
}

func child(t *testing.T, what string, w *world) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), "MAILFERRY_STATE_CHILD="+what, "DIR="+w.dir, "NOTES="+w.notes)
	cmd.Stderr = os.Stderr
	return cmd
}

func childOptions() Options {
	return Options{Dir: os.Getenv("DIR"), Control: ".mailferry", Notes: os.Getenv("NOTES"), Identity: home}
}

func childOpens() {
	s, err := Open(context.Background(), childOptions())
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("open")
	_, _ = io.ReadAll(os.Stdin)
	s.Close()
}

func TestASecondRunGetsErrLocked(t *testing.T) {
	w := newWorld(t)
	s := w.open(t)
	_, err := Open(t.Context(), w.options())
	var locked *LockedError
	if !errors.Is(err, ErrLocked) || !errors.As(err, &locked) || locked.PID != os.Getpid() {
		t.Errorf("second Open: %v", err)
	}
	reading := w.options()
	reading.ReadOnly = true
	if _, err := Open(t.Context(), reading); !errors.Is(err, ErrLocked) {
		t.Errorf("second Open to read: %v", err)
	}
	out, err := child(t, "open", w).Output()
	if err == nil || !strings.Contains(string(out), "another run") {
		t.Errorf("another process: %v: %s", err, out)
	}
	must(t, s.Close())

	cmd := child(t, "open", w)
	stdin, err := cmd.StdinPipe()
	must(t, err)
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	if line, _ := bufio.NewReader(stdout).ReadString('\n'); line != "open\n" {
		t.Fatal(line)
	}
	before := treeOf(t, w)
	if _, err := Open(t.Context(), w.options()); !errors.As(err, &locked) || locked.PID != cmd.Process.Pid {
		t.Errorf("Open beside another process: %v", err)
	}
	if treeOf(t, w) != before {
		t.Error("the second run changed something")
	}
	must(t, stdin.Close())
	must(t, cmd.Wait())
	w.open(t)
}

func TestUnlockedReadsBesideARun(t *testing.T) {
	w := newWorld(t)
	s := w.open(t)
	id := add(t, s, "INBOX")
	commitAll(t, s, id, makeLinks(10))
	o := w.options()
	o.ReadOnly, o.Unlocked = true, true
	r := open(t, o)
	if links, err := r.Links(t.Context(), id); err != nil || len(links) != 10 {
		t.Errorf("%d links, %v", len(links), err)
	}
}

func TestAMissingMarkerIsNoticedUntilNewStore(t *testing.T) {
	for name, spoil := range map[string]func(*testing.T, *world){
		"folder gone":         func(t *testing.T, w *world) { must(t, os.RemoveAll(w.dir)) },
		"marker gone":         func(t *testing.T, w *world) { must(t, os.Remove(w.path(markerFile))) },
		"marker cut short":    func(t *testing.T, w *world) { must(t, os.Truncate(w.path(markerFile), 9)) },
		"empty folder":        func(t *testing.T, w *world) { must(t, os.RemoveAll(w.dir)); must(t, os.Mkdir(w.dir, 0o700)) },
		"control folder gone": func(t *testing.T, w *world) { must(t, os.RemoveAll(w.path(""))) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := w.open(t)
			commitAll(t, s, add(t, s, "INBOX"), makeLinks(3))
			first := s.Marker().UUID
			must(t, s.Close())
			spoil(t, w)
			before := treeOf(t, w)
			for _, readOnly := range []bool{false, true} {
				o := w.options()
				o.ReadOnly = readOnly
				_, err := Open(t.Context(), o)
				var missing *MarkerMissingError
				if !errors.Is(err, ErrMarkerMissing) || !errors.As(err, &missing) || missing.Made.IsZero() || missing.Account != "home" ||
					missing.Identity != o.Identity {
					t.Fatalf("Open: %v", err)
				}
			}
			if treeOf(t, w) != before {
				t.Error("a refused Open changed something")
			}
			o := w.options()
			o.NewStore = true
			s = open(t, o)
			if list, err := s.Mailboxes(t.Context()); err != nil || len(list) != 0 || s.Marker().UUID == first || s.Rebuilt() != "" {
				t.Errorf("new store: %v, %v, %s", list, err, s.Rebuilt())
			}
			must(t, s.Close())
			w.open(t)
		})
	}
}

func TestAnUnmountedDiskBehindASymlinkIsNoticed(t *testing.T) {
	w := newWorld(t)
	disk := filepath.Join(filepath.Dir(filepath.Dir(w.dir)), "disk")
	must(t, os.MkdirAll(filepath.Dir(w.dir), 0o700))
	must(t, os.Mkdir(disk, 0o700))
	must(t, os.Symlink(filepath.Join(disk, "mail"), w.dir))
	must(t, w.open(t).Close())
	must(t, os.Rename(disk, disk+"-unplugged"))
	if _, err := Open(t.Context(), w.options()); !errors.Is(err, ErrMarkerMissing) {
		t.Error(err)
	}
}

func TestAFolderWithContentIsAdoptedOnlyWithNewStore(t *testing.T) {
	w := newWorld(t)
	must(t, os.MkdirAll(filepath.Join(w.dir, ".Sent", "cur"), 0o700))
	before := treeOf(t, w)
	if _, err := Open(t.Context(), w.options()); !errors.Is(err, ErrNotAStore) {
		t.Fatal(err)
	}
	if treeOf(t, w) != before {
		t.Error("a refused Open changed something")
	}
	if _, err := ReadMarker(w.dir); !errors.Is(err, ErrNotAStore) {
		t.Error(err)
	}
	o := w.options()
	o.NewStore = true
	open(t, o)
	marker, err := ReadMarker(w.dir)
	if err != nil || marker.Identity != home || marker.Control != ".mailferry" || marker.Created.IsZero() {
		t.Errorf("%+v, %v", marker, err)
	}
}

func TestAFolderThatHoldsOnlyWhatSystemsPutThereIsEmpty(t *testing.T) {
	w := newWorld(t)
	must(t, os.MkdirAll(filepath.Join(w.dir, "lost+found"), 0o700))
	must(t, os.MkdirAll(filepath.Join(w.dir, ".Trash-1000"), 0o700))
	// What a first run leaves that is killed before it writes the marker.
	must(t, os.MkdirAll(w.path(""), 0o700))
	for _, name := range []string{lockFile, generationFile, stateFile, stateFile + ".new", "." + markerFile + ".new"} {
		must(t, os.WriteFile(w.path(name), []byte("x"), 0o600))
	}
	if s := w.open(t); s.Rebuilt() != "" {
		t.Error(s.Rebuilt())
	}
}

func TestAnotherAccountIsRefused(t *testing.T) {
	w := newWorld(t)
	s := w.open(t)
	add(t, s, "INBOX")
	must(t, s.Close())
	for _, c := range []struct {
		asked Identity
		want  error
	}{
		{Identity{}, nil},
		{Identity{Account: "renamed", URL: home.URL}, nil},
		{Identity{Account: "home"}, nil},
		{Identity{Account: "work"}, ErrOtherAccount},
		{Identity{Account: "home", URL: "imaps://you@imap.example.com"}, ErrOtherAccount},
		{Identity{Account: "home", URL: home.URL, Layout: "maildir++"}, ErrOtherLayout},
	} {
		o := w.options()
		o.Identity = c.asked
		s, err := Open(t.Context(), o)
		if !errors.Is(err, c.want) {
			t.Errorf("%+v: %v", c.asked, err)
		}
		if err == nil {
			must(t, s.Close())
		}
		if c.want == ErrOtherAccount && (!strings.Contains(err.Error(), home.URL) || !strings.Contains(err.Error(), c.asked.String())) {
			t.Errorf("not both are named: %v", err)
		}
	}
	o := w.options()
	o.Control, o.Identity = "mailferry", Identity{Layout: "maildir++"}
	if _, err := Open(t.Context(), o); !errors.Is(err, ErrOtherLayout) {
		t.Error(err)
	}
	o = w.options()
	o.NewStore, o.Identity = true, Identity{Account: "work", URL: "imaps://work"}
	s = open(t, o)
	if list, err := s.Mailboxes(t.Context()); err != nil || len(list) != 0 || s.Marker().Account != "work" {
		t.Errorf("the other account's links are still there: %v, %v", list, err)
	}
	if aside, err := filepath.Glob(w.path(stateFile + ".damaged-*")); err != nil || len(aside) != 1 {
		t.Errorf("the other account's state was not moved aside: %v, %v", aside, err)
	}
}

func TestAnotherStoreAtThePathIsRefused(t *testing.T) {
	w := newWorld(t)
	must(t, w.open(t).Close())
	other := newWorld(t)
	s := other.open(t)
	add(t, s, "INBOX")
	must(t, s.Close())
	must(t, os.RemoveAll(w.dir))
	must(t, os.CopyFS(w.dir, os.DirFS(other.dir)))
	if _, err := Open(t.Context(), w.options()); !errors.Is(err, ErrOtherStore) {
		t.Fatal(err)
	}
	o := w.options()
	o.NewStore = true
	s = open(t, o)
	if list, err := s.Mailboxes(t.Context()); err != nil || len(list) != 1 || s.Rebuilt() != "" {
		t.Errorf("the store was not accepted as it is: %v, %v, %s", list, err, s.Rebuilt())
	}
	must(t, s.Close())
	w.open(t)
}

func TestAMovedStoreIsTheSame(t *testing.T) {
	w := newWorld(t)
	s := w.open(t)
	add(t, s, "INBOX")
	must(t, s.Close())
	must(t, os.Rename(w.dir, w.dir+"-moved"))
	w.dir += "-moved"
	o := w.options()
	o.Identity, o.Control = Identity{}, ""
	s = open(t, o)
	if list, err := s.Mailboxes(t.Context()); err != nil || len(list) != 1 || s.Rebuilt() != "" {
		t.Errorf("%v, %v, %s", list, err, s.Rebuilt())
	}
}

func TestASymlinkInsideTheStoreIsNotFollowed(t *testing.T) {
	for _, name := range []string{"", lockFile, generationFile, markerFile} {
		w := newWorld(t)
		must(t, w.open(t).Close())
		elsewhere := filepath.Join(t.TempDir(), "elsewhere")
		path := filepath.Clean(w.path(name))
		must(t, os.Rename(path, elsewhere))
		must(t, os.Symlink(elsewhere, path))
		if _, err := Open(t.Context(), w.options()); err == nil {
			t.Errorf("%q was followed", name)
		}
	}
}

// treeOf describes all files of a world: names, modes, times, content.
func treeOf(t *testing.T, w *world) string {
	t.Helper()
	var b strings.Builder
	must(t, filepath.WalkDir(filepath.Dir(filepath.Dir(w.dir)), func(path string, entry fs.DirEntry, err error) error {
		must(t, err)
		info, err := entry.Info()
		must(t, err)
		fmt.Fprintln(&b, path, info.Mode(), info.Size(), info.ModTime().UnixNano())
		if info.Mode().IsRegular() {
			content, err := os.ReadFile(path)
			must(t, err)
			fmt.Fprintf(&b, "%x\n", sha256.Sum256(content))
		}
		return nil
	}))
	return b.String()
}

func TestReadOnlyChangesNothing(t *testing.T) {
	for name, prepare := range map[string]func(*testing.T, *world){
		"closed in order": func(*testing.T, *world) {},
		"with a log": func(t *testing.T, w *world) {
			s := w.open(t)
			add(t, s, "Sent")
			copyOfOpen := t.TempDir()
			must(t, os.CopyFS(copyOfOpen, os.DirFS(w.path(""))))
			must(t, s.Close())
			must(t, os.RemoveAll(w.path("")))
			must(t, os.CopyFS(w.path(""), os.DirFS(copyOfOpen)))
			// As after a kill, but for the shared memory, which is a cache.
			must(t, os.Remove(w.path("state.db-shm")))
		},
		"without a lock file": func(t *testing.T, w *world) { must(t, os.Remove(w.path(lockFile))) },
		"without notes":       func(t *testing.T, w *world) { must(t, os.RemoveAll(w.notes)) },
		"damaged":             func(t *testing.T, w *world) { must(t, os.Truncate(w.path(stateFile), 5000)) },
		"no store":            func(t *testing.T, w *world) { must(t, os.RemoveAll(w.dir)); must(t, os.RemoveAll(w.notes)) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := w.open(t)
			id := add(t, s, "INBOX")
			commitAll(t, s, id, makeLinks(50))
			must(t, s.Close())
			prepare(t, w)
			time.Sleep(20 * time.Millisecond) // so that a touched file would show
			before := treeOf(t, w)
			o := w.options()
			o.ReadOnly = true
			s, err := Open(t.Context(), o)
			must(t, err)
			list, err := s.Mailboxes(t.Context())
			must(t, err)
			wanted := map[string]int{"closed in order": 1, "with a log": 2, "without a lock file": 1, "without notes": 1}[name]
			if len(list) != wanted || (s.Rebuilt() != "") != (name == "damaged") {
				t.Errorf("%d mailboxes, %q", len(list), s.Rebuilt())
			}
			if wanted > 0 {
				if links, err := s.Links(t.Context(), id); err != nil || len(links) != 50 {
					t.Errorf("%d links, %v", len(links), err)
				}
			}
			run, err := s.BeginRun(t.Context(), "sync")
			must(t, err)
			must(t, s.EndRun(t.Context(), run, true, "", ""))
			if _, err := s.Add(t.Context(), "x"); !errors.Is(err, ErrReadOnly) {
				t.Errorf("Add: %v", err)
			}
			if err := s.Commit(t.Context(), mailbox.Commit{Mailbox: id, Put: makeLinks(1)}); !errors.Is(err, ErrReadOnly) {
				t.Errorf("Commit: %v", err)
			}
			must(t, s.Rebuild(t.Context(), "told so"))
			must(t, s.Close())
			if after := treeOf(t, w); after != before {
				t.Errorf("changed:\n%s\nbefore:\n%s", after, before)
			}
			if s.temporary != "" {
				t.Error("the copy was not removed")
			}
		})
	}
}

func TestAStoreOfNobodyBelongsToWhoOpensItFirst(t *testing.T) {
	w := newWorld(t)
	open := func(identity Identity) error {
		options := w.options()
		options.Identity = identity
		s, err := Open(t.Context(), options)
		if err == nil {
			err = s.Close()
		}
		return err
	}
	must(t, open(Identity{Layout: "fs"}))
	must(t, open(Identity{Layout: "fs"}))
	must(t, open(home))
	marker, err := ReadMarker(w.dir)
	must(t, err)
	if marker.Identity != home {
		t.Errorf("it is %v's", marker.Identity)
	}
	other := Identity{Account: "work", URL: "imaps://me@other.example.com", Layout: "fs"}
	if err := open(other); !errors.Is(err, ErrOtherAccount) {
		t.Errorf("another account gets %v", err)
	}
}
