package syncer_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"mailferry/syncer"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
	"mailferry/syncer/synctest"
)

// TestHistoriesConvergeAndLoseNothing runs the whole engine against a model
// server and a disk in memory: two clients change mail at random, runs are
// killed between any two effects, answers get lost, listings are cut short.
// Afterwards a few undisturbed runs must make both sides equal, with every
// message that nobody deleted there exactly once.
func TestHistoriesConvergeAndLoseNothing(t *testing.T) {
	tryHistories(t, 400, func(t *testing.T, seed uint64) {
		w := newWorld(t, seed)
		for range 2 + w.random.IntN(5) {
			for range w.random.IntN(8) {
				w.perturb()
			}
			w.disturbedRun()
		}
		w.settle()
		w.check()
	})
}

// tryHistories tries one a seed and reports how many went wrong.
func tryHistories(t *testing.T, otherwise int, history func(t *testing.T, seed uint64)) {
	seeds := histories(t, otherwise)
	first := number(t, "MAILFERRY_SEED", 1)
	failed := 0
	for seed := first; seed < first+seeds; seed++ {
		if !t.Run(fmt.Sprint(seed), func(t *testing.T) { history(t, uint64(seed)) }) {
			failed++
		}
	}
	synctest.Report(t, "%d tried, from seed %d on: %d lost or doubled something, or did not come to rest", seeds, first, failed)
}

// histories is how many a test tries: MAILFERRY_HISTORIES, and otherwise a
// hundred times as many where MAILFERRY_LONG asks for it (make long).
func histories(t *testing.T, otherwise int) int {
	if os.Getenv("MAILFERRY_LONG") != "" {
		otherwise *= 100
	}
	return number(t, "MAILFERRY_HISTORIES", otherwise)
}

func number(t *testing.T, name string, otherwise int) int {
	if text := os.Getenv(name); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return otherwise
}

// world is one history.
type world struct {
	t      *testing.T
	random *rand.Rand
	fuse   *synctest.Fuse
	model  *synctest.Model
	disk   *synctest.Disk
	state  *synctest.State
	server synctest.OtherClient
	reader synctest.MailReader
	made   int
	fate   map[string]*fate // by content
	marks  bool             // the server can only mark messages deleted
	// isUnnumbered: the server has no UIDVALIDITY. isMidRun: a run is at work.
	isUnnumbered, isMidRun bool
	// trail is written by the run's workers, its ledger and the meddling clients.
	trailMu sync.Mutex
	trail   []string
}

// fate is what may have become of a message.
type fate struct {
	deleted bool // somebody deleted it: it may be gone
	moved   bool // moved by a mail reader: copies may meet
	// How many copies were made on the server, and on disk. Where both made
	// one, they may be taken for one message.
	serverCopies, diskCopies int
}

// least and most are how many there may be, if nobody deleted or moved any.
func (f *fate) least() int { return 1 + max(f.serverCopies, f.diskCopies) }
func (f *fate) most() int  { return 1 + f.serverCopies + f.diskCopies }

func newWorld(t *testing.T, seed uint64) *world {
	random := rand.New(rand.NewPCG(seed, 42))
	fuse := &synctest.Fuse{}
	opts := synctest.FullModel()
	opts.Fuse = fuse
	opts.CondStore = random.IntN(4) > 0
	opts.UIDPlus = random.IntN(4) > 0
	opts.ListStatus = random.IntN(4) > 0
	opts.ObjectID = random.IntN(2) > 0
	if random.IntN(4) == 0 {
		opts.Keywords = []string{"$Junk"}
	}
	room := synctest.DiskOptions{Fuse: fuse}
	if random.IntN(4) == 0 {
		room.Room = 1
	}
	w := &world{
		t: t, random: random, fuse: fuse,
		model: synctest.NewModel(opts), disk: synctest.NewDisk(room), state: synctest.NewState(fuse),
		fate: map[string]*fate{}, marks: !opts.UIDPlus,
	}
	w.server, w.reader = w.model.Other(t), w.disk.Reader(t)
	t.Cleanup(func() {
		if t.Failed() {
			for _, line := range w.trail {
				t.Log(line)
			}
		}
	})
	return w
}

func (w *world) note(format string, args ...any) {
	w.trailMu.Lock()
	defer w.trailMu.Unlock()
	w.trail = append(w.trail, fmt.Sprintf(format, args...))
}

func (w *world) options() syncer.Options {
	policy := plan.Sync()
	policy.AllowDeletes = 1 << 30
	return syncer.Options{
		Calm:   time.Millisecond,
		Policy: policy, Remote: w.model, Glances: w.glances(), RemoteMessages: w.model, RemoteMailboxes: w.model,
		Local: w.disk, LocalDelivery: w.disk, LocalMessages: w.disk, LocalFolders: w.disk, LocalStream: w.disk,
		Base: w.state, Marks: w.state, LocalCopies: w.disk, Copies: w.state, Connections: 1 + w.random.IntN(3), Recover: true, Window: w.window(),
		Reporter: trail{w}, Now: time.Now,
	}
}

// glances is the model in half of the worlds.
func (w *world) glances() syncer.Glances {
	if w.random.IntN(2) == 0 {
		return nil
	}
	return w.model
}

// window is small enough for most runs to need several rounds.
func (w *world) window() int {
	if w.random.IntN(4) == 0 {
		return 0
	}
	return 1 + w.random.IntN(3)
}

// disturbedRun is a run that may be killed, cut off or lied to.
func (w *world) disturbedRun() {
	switch w.random.IntN(4) {
	case 0:
		at := 1 + w.random.IntN(40)
		w.note("run, killed at %d", at)
		w.fuse.Arm(at)
	case 1:
		ops := []string{"Observe", "Fetch", "Append", "Copy", "StoreFlags", "Expunge", "List", "Create"}
		fault := synctest.Fault{Op: ops[w.random.IntN(len(ops))], Skip: w.random.IntN(3), After: w.random.IntN(4), Kind: synctest.FaultKind(w.random.IntN(3))}
		w.note("run with %+v", fault)
		w.model.Inject(fault)
	default:
		w.note("run")
	}
	summary, err := syncer.Run(context.Background(), w.options())
	w.note("  %+v, %v", summary, err)
	w.fuse.Arm(0)
	w.model.Heal()
	if w.random.IntN(3) == 0 {
		w.disk.PowerCut(w.random)
	} else {
		w.disk.Restart()
	}
}

// settle runs undisturbed until a run has nothing to do.
func (w *world) settle() {
	for i := range 6 {
		w.note("settling run %d", i)
		summary, err := syncer.Run(context.Background(), w.options())
		if err != nil || summary.Failed > 0 {
			w.t.Fatalf("an undisturbed run fails: %+v, %v", summary, err)
		}
		summary.Traffic, summary.Mailboxes = mailbox.Traffic{}, 0
		w.note("  %+v", summary)
		if (summary == syncer.Summary{}) {
			return
		}
	}
	w.t.Fatal("six runs, and still something to do")
}

type copies struct{ server, disk []string }

// check holds both sides against each other and against what nobody deleted.
func (w *world) check() {
	found := map[string]*copies{}
	at := func(content string) *copies {
		if found[content] == nil {
			found[content] = &copies{}
		}
		return found[content]
	}
	for _, name := range w.server.Mailboxes() {
		for _, m := range w.server.Messages(name) {
			c := at(string(m.Octets))
			c.server = append(c.server, string(name))
		}
	}
	for _, name := range w.reader.Names() {
		for _, f := range w.reader.Files(name) {
			c := at(string(f.Octets))
			c.disk = append(c.disk, string(name))
		}
	}
	for content, fate := range w.fate {
		c := at(content)
		label := fmt.Sprintf("%.20q: server %v, disk %v", content, c.server, c.disk)
		if w.marks && (fate.deleted || fate.moved) && isSubset(c.disk, c.server) {
			continue // marked, and left on the server
		}
		if fmt.Sprint(c.server) != fmt.Sprint(c.disk) {
			w.t.Errorf("the sides differ: %s", label)
		}
		if len(c.server) == 0 && !fate.deleted {
			w.t.Errorf("lost: %s", label)
		}
		if len(c.server) < fate.least() && !fate.deleted && !fate.moved {
			w.t.Errorf("fewer than %d: %s", fate.least(), label)
		}
		if len(c.server) > fate.most() && !fate.moved {
			w.t.Errorf("more than once: %s", label)
		}
	}
	w.checkFlags()
}

func isSubset(part, whole []string) bool {
	return !slices.ContainsFunc(part, func(s string) bool { return !slices.Contains(whole, s) })
}

// checkFlags compares what both sides can hold.
func (w *world) checkFlags() {
	for _, name := range w.server.Mailboxes() {
		onDisk := map[[32]byte]mailbox.Flags{}
		if w.marks && !slices.Contains(w.reader.Names(), name) {
			continue // what is left in it is marked deleted
		}
		for _, f := range w.reader.Files(name) {
			onDisk[sha256.Sum256(f.Octets)] = f.Flags
		}
		for _, m := range w.server.Messages(name) {
			disk := onDisk[sha256.Sum256(m.Octets)]
			fate := w.fate[string(m.Octets)]
			if fate.moved || fate.most() > 1 || w.marks && fate.deleted {
				continue // the same octets may have other flags beside
			}
			if !m.Flags.Minus(m.Flags.OnlyKeywords()).Equal(disk.Minus(disk.OnlyKeywords())) {
				w.t.Errorf("%s uid %d: flags %v on the server, %v on disk", name, m.UID, m.Flags, disk)
			}
		}
	}
}

// trail is a Reporter that keeps what happened for a failing test's log.
type trail struct{ w *world }

func (r trail) Action(a plan.Action, result syncer.Result, err error) {
	r.w.note("    %s %s>%s uid=%d key=%s %s %v", a.Kind, a.Mailbox, a.To, a.UID, a.Key, result, err)
}
func (r trail) Guard(refusal plan.Refusal)            { r.w.note("    guard %+v", refusal) }
func (r trail) Trouble(name mailbox.Name, err error)  { r.w.note("    trouble %s %v", name, err) }
func (r trail) Notice(name mailbox.Name, text string) { r.w.note("    notice %s %s", name, text) }
func (r trail) Progress(syncer.Progress)              {}
