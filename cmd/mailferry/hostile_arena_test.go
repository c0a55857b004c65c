package main

import (
	"encoding/base64"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

const (
	// hostileMemory is what a run may take whatever a server sends.
	hostileMemory = 128 << 20
	// hostileTimeout is the progress timeout of these runs, hostileEnd when
	// they have to be over: a lost server is sought for some seconds.
	hostileTimeout = time.Second
	hostileEnd     = 30 * time.Second
	canary         = "c4n4ry-Pa55word"
)

// cost is what a broken or hostile server may cost a run at most.
type cost int

const (
	// costNothing: all arrives, and the run ends with 0.
	costNothing cost = iota
	// costItems: the messages or the mailbox named, and the exit code.
	costItems
	// costRun: the whole run, which has to end with an error.
	costRun
)

// hostile is a server's behaviour, of a class in the list of what broken and
// hostile servers do, and what must hold whatever it does.
type hostile struct {
	class int
	name  string
	// mail changes the mail that the server has before the run, twist what it
	// answers, and yard what lies on disk.
	mail  func(boxes map[string]*synctest.RogueMailbox)
	twist func() synctest.Twist
	yard  func(a *arena)
	// deaf are commands that the server says are done, and does not do.
	deaf func(c *synctest.Call) bool
	// cost is in the commands that in names ("": all); the others do not
	// notice.
	cost cost
	in   string
	// lost are the messages, known by their labels, that need not arrive, and
	// kept those that must be on the server after every command.
	lost, kept []string
	// says is what the user has to read where it costs something.
	says []string
	// ends and later, if not nil, hold instead of what the cost says: the exit
	// codes of the run and of the next, on an honest server.
	ends, later []int
	// scar says why the next run on an honest server does not make all well.
	scar string
}

// commands are what each server has to be met with.
var hostileCommands = []string{"backup", "sync", "archive"}

// arena is a world with a rogue server, built once, in which runs begin from
// the same state again and again.
type arena struct {
	*world
	rogue *synctest.Rogue
	// root has the store's home and all that is no business of ours; kept is a
	// copy of it for each command.
	root, kept string
	boxes      map[string]map[string]*synctest.RogueMailbox
}

func newArena(t *testing.T, layout string) *arena {
	t.Helper()
	dir := t.TempDir()
	a := &arena{
		rogue: synctest.StartRogue(t, synctest.RogueConfig{}), root: filepath.Join(dir, "root"), kept: filepath.Join(dir, "kept"),
		boxes: map[string]map[string]*synctest.RogueMailbox{},
	}
	home := filepath.Join(a.root, "home")
	a.world = &world{
		t: t, user: &synctest.User{Name: "me", Password: canary}, binary: builtProgram(t), home: home, tmp: filepath.Join(a.root, "tmp"),
		addr: a.rogue.Addr, measures: true, patience: hostileEnd, env: []string{"MAILFERRY_LAYOUT=" + layout, "MAILFERRY_TIMEOUT=" + hostileTimeout.String()},
	}
	a.disk = synctest.NewMaildir(t, filepath.Join(home, "mail"), layout == layoutMaildirPP)
	for path, text := range map[string]string{
		"home/.ssh/authorized_keys": "a key", "home/.profile": "a profile", "etc/passwd": "root", "home/bar/cur/a": "mail of another program", "tmp/x": "",
	} {
		a.must(os.MkdirAll(filepath.Dir(filepath.Join(a.root, path)), 0o700))
		a.must(os.WriteFile(filepath.Join(a.root, path), []byte(text), 0o600))
	}
	for _, command := range hostileCommands {
		a.prepare(command)
	}
	return a
}

func (a *arena) must(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

func (a *arena) copyTree(from, to string) {
	a.t.Helper()
	a.must(os.RemoveAll(to))
	if output, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		a.t.Fatalf("%v: %s", err, output)
	}
}

// stock is the mail before the first run: uids are the numbers in the labels.
func stock() map[string]*synctest.RogueMailbox {
	boxes := map[string]*synctest.RogueMailbox{"INBOX": {Validity: 11}, "Good": {Validity: 12}, "Odd": {Validity: 13}}
	for i := range 8 {
		boxes["Good"].Add(string(letter(fmt.Sprint("good", i+1))), `\Seen`)
		boxes["Odd"].Add(string(letter(fmt.Sprint("odd", i+1))), `\Seen`)
		if i < 2 {
			boxes["INBOX"].Add(string(letter(fmt.Sprint("inbox", i+1))))
		}
	}
	return boxes
}

// prepare makes what a command starts from: on both sides there is something
// new, something with other flags, and something deleted.
func (a *arena) prepare(command string) {
	a.t.Helper()
	boxes := stock()
	a.rogue.Reset(boxes, nil)
	a.must(os.RemoveAll(a.disk.Dir))
	a.must(os.RemoveAll(filepath.Join(a.home, "state")))
	if command == "sync" {
		a.sync().exits(exitDone)
	} else {
		a.backup().exits(exitDone)
	}
	for _, name := range []string{"Good", "Odd"} {
		label := strings.ToLower(name)
		box := boxes[name]
		box.Add(string(letter(label + "9"))).Add(string(letter(label + "10"))).Add(string(letter(label + "11")))
		box.Remove(2)
		if command == "sync" {
			a.onDisk(name, label+"4", func(path string) { a.must(os.Remove(path)) })
			a.onDisk(name, label+"3", func(path string) { a.must(os.Rename(path, path+"F")) })
			up := filepath.Join(a.disk.Path(mailbox.Name(name)), "new", "1784000001.up.host")
			a.must(os.WriteFile(up, lf(letter(label+" up")), 0o600))
		}
	}
	a.boxes[command] = boxes
	a.copyTree(a.root, filepath.Join(a.kept, "..", "kept-"+command))
}

// onDisk finds a message's file.
func (a *arena) onDisk(name, label string, use func(path string)) {
	a.t.Helper()
	for path, octets := range a.files() {
		if octets == string(letter(label)) && strings.Contains(path, name) {
			use(path)
			return
		}
	}
	a.t.Fatalf("%s is not on disk", label)
}

// files are the messages in the store's folders, in their wire form.
func (a *arena) files() map[string]string {
	a.t.Helper()
	found := map[string]string{}
	a.must(filepath.WalkDir(a.disk.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path == filepath.Join(a.disk.Dir, ".mailferry") {
			return fs.SkipDir
		}
		if folder := filepath.Base(filepath.Dir(path)); entry.Type().IsRegular() && (folder == "cur" || folder == "new") {
			octets, err := os.ReadFile(path)
			found[path] = string(crlf(octets))
			return err
		}
		return nil
	}))
	return found
}

// crlf is the wire form of what these tests have on disk.
func crlf(octets []byte) []byte {
	return []byte(strings.ReplaceAll(strings.ReplaceAll(string(octets), "\r\n", "\n"), "\n", "\r\n"))
}

// outside is everything that is neither the store nor its note.
func (a *arena) outside() string {
	var kept []string
	for line := range strings.Lines(fingerprint(a.t, a.root)) {
		path, _, _ := strings.Cut(line, " ")
		below, _ := strings.CutPrefix(path, a.home)
		if below == "" || below == "/mail" || strings.HasPrefix(below, "/mail/") || below == "/state" || strings.HasPrefix(below, "/state/") {
			continue
		}
		if below == path && path == a.tmp {
			continue // its date
		}
		kept = append(kept, line)
	}
	return strings.Join(kept, "")
}

// fight runs a command against a case's server, and then against an honest
// one, and checks what must hold.
func (a *arena) fight(h hostile, command string) {
	a.t.Helper()
	a.copyTree(filepath.Join(a.kept, "..", "kept-"+command), a.root)
	a.rogue.Reset(a.boxes[command], nil)
	boxes := a.rogue.Mailboxes()
	if h.mail != nil {
		h.mail(boxes)
	}
	if h.yard != nil && (h.in == "" || strings.Contains(h.in, command)) {
		h.yard(a)
	}
	var twist synctest.Twist
	if h.twist != nil {
		twist = h.twist()
	}
	a.rogue.Reset(boxes, twist)
	a.rogue.Ignore(h.deaf)
	before, outside := a.files(), a.outside()
	o := a.attempt(command)
	j := &judge{arena: a, h: h, command: command, before: before, boxes: boxes, o: o}
	j.check()
	if a.outside() != outside {
		a.t.Errorf("something outside the store changed:\n%s\nwas\n%s", a.outside(), outside)
	}
	if !j.isHit() {
		return // an honest server was met
	}
	a.rogue.SetTwist(nil)
	a.rogue.Ignore(nil)
	j.o = a.attempt(command)
	j.checkLater()
}

// attempt runs one of the three commands.
func (a *arena) attempt(command string) outcome {
	a.t.Helper()
	flags := []string{command, "-vv", "--json"}
	if command == "archive" {
		flags = append(flags, "--older-than=30d")
	}
	return a.run(append(flags, a.url(), a.disk.Dir)...)
}

// secrets are the password's forms.
func secrets() []string {
	return []string{canary, base64.StdEncoding.EncodeToString([]byte("\x00me\x00" + canary))}
}

// leaksShown checks that nothing of the password was shown.
func (a *arena) leaksShown(o outcome) {
	a.t.Helper()
	for _, secret := range secrets() {
		if strings.Contains(o.stdout+o.stderr, secret) {
			a.t.Errorf("the password is shown:\n%s\n%s", o.stdout, o.stderr)
		}
	}
}

// leaks checks that nothing of the password was shown or kept.
func (a *arena) leaks(o outcome) {
	a.t.Helper()
	a.leaksShown(o)
	for _, dir := range []string{a.disk.Dir, filepath.Join(a.home, "state")} {
		if output, err := exec.Command("grep", "-rlF", "-e", secrets()[0], "-e", secrets()[1], dir).Output(); err == nil {
			a.t.Errorf("the password is in %s", output)
		}
	}
}

// raw finds what a terminal would obey.
func raw(text string) string {
	for _, r := range text {
		if r < ' ' && r != '\n' && r != '\t' || 0x7f <= r && r < 0xa0 || r == 0x202e {
			return fmt.Sprintf("%q", r)
		}
	}
	return ""
}

// TestHostileServers meets each server with each command.
func TestHostileServers(t *testing.T) {
	t.Parallel()
	cases := slices.Concat(hostileNames(), hostileFraming(), hostileOrder(), hostileMessages(), hostileMailboxes(), hostileRefusals())
	bouts := make(chan func(a *arena))
	var rings sync.WaitGroup
	for range 6 { // they mostly wait
		a := newArena(t, layoutFS)
		rings.Go(func() {
			for bout := range bouts {
				bout(a)
			}
		})
	}
	for _, h := range cases {
		for _, command := range hostileCommands {
			bouts <- func(a *arena) {
				t.Run(fmt.Sprintf("%d %s/%s", h.class, h.name, command), func(t *testing.T) {
					a.t = t
					a.fight(h, command)
				})
			}
		}
	}
	close(bouts)
	rings.Wait()
}
