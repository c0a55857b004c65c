package main

import (
	"slices"
	"strings"
	"testing"
)

// fate is what a power cut makes of one change that nobody had waited for.
type fate uint8

// The fates; the last two are only a write's.
const (
	lost fate = iota
	survived
	halved // its first half is there, at a sector's border
	zeroed // the file has the size and zeros
)

// powerCut decides what becomes of the changes that were not durable. Of names,
// only what they stand on has to be there, too: a file's earlier name, the
// folder. That is less order than ext4 keeps.
type powerCut struct {
	changes []diskChange
	durable []bool
	needs   [][]int // the changes that each stands on
}

func newPowerCut(changes []diskChange) *powerCut {
	c := &powerCut{changes: changes, durable: make([]bool, len(changes)), needs: make([][]int, len(changes))}
	type entry struct {
		dir  uint64
		name string
	}
	atEntry, inFolder, ofNode, data := map[entry]int{}, map[uint64][]int{}, map[uint64]int{}, map[uint64][]int{}
	for i, change := range changes {
		if change.kind.isData() {
			for _, j := range data[change.node] {
				if changes[j].kind == resized {
					c.needs[i] = append(c.needs[i], j)
				}
			}
			data[change.node] = append(data[change.node], i)
		}
		if !change.kind.isName() {
			continue
		}
		dirs, entries := []uint64{change.dir}, []entry{{change.dir, change.name}}
		if change.kind == renamed {
			dirs, entries = append(dirs, change.to), append(entries, entry{change.to, change.toName})
		}
		for _, e := range entries {
			if j, ok := atEntry[e]; ok {
				c.needs[i] = append(c.needs[i], j)
			}
			atEntry[e] = i
		}
		for _, dir := range append(dirs, change.node) {
			if j, ok := ofNode[dir]; ok {
				c.needs[i] = append(c.needs[i], j)
			}
		}
		if change.kind == removed { // a folder has to be empty
			c.needs[i] = append(c.needs[i], inFolder[change.node]...)
		}
		for _, dir := range dirs {
			inFolder[dir] = append(inFolder[dir], i)
		}
		if change.kind != removed {
			ofNode[change.node] = i
		}
	}
	for i, change := range changes {
		c.sync(i, change)
	}
	return c
}

// sync marks what a wait made durable.
func (c *powerCut) sync(at int, wait diskChange) {
	for i, change := range c.changes[:at] {
		switch wait.kind {
		case syncedFile:
			if change.kind.isData() && change.node == wait.node {
				c.force(i)
			}
		case syncedFolder:
			isIn := change.kind.isName() && (change.dir == wait.node || change.kind == renamed && change.to == wait.node)
			if isIn || change.kind == redated && change.node == wait.node {
				c.force(i)
			}
		case syncedAll:
			if i < wait.covers {
				c.force(i)
			}
		}
	}
}

func (c *powerCut) force(i int) {
	if !c.durable[i] {
		c.durable[i] = true
		for _, j := range c.needs[i] {
			c.force(j)
		}
	}
}

// image is what is on the disk afterwards. choose tells the fate of each change
// that was not durable.
func (c *powerCut) image(before *diskImage, choose func(i int, change *diskChange) fate) *diskImage {
	disk := before.clone()
	happened := make([]bool, len(c.changes))
	fates := make([]fate, len(c.changes))
	for i := range c.changes {
		fates[i] = survived
		if !c.durable[i] {
			fates[i] = choose(i, &c.changes[i])
		}
	}
	// What a later write survived shows that the file was cut before it.
	for i := range slices.Backward(c.changes) {
		if c.changes[i].kind.isData() && fates[i] != lost {
			for _, j := range c.needs[i] {
				fates[j] = survived
			}
		}
	}
	for i := range c.changes {
		if c.changes[i].kind.isName() && slices.ContainsFunc(c.needs[i], func(j int) bool { return !happened[j] }) {
			continue
		}
		if happened[i] = fates[i] != lost; happened[i] {
			disk.apply(&c.changes[i], fates[i])
		}
	}
	disk.sweep()
	return disk
}

func TestPowerCutKeepsWhatWasWaitedFor(t *testing.T) {
	const root, sub, a, b = 1, 2, 3, 4
	empty := &diskImage{root: root, nodes: map[uint64]*diskNode{root: {names: map[string]uint64{}}}}
	create := diskChange{kind: madeFile, node: a, dir: root, name: "a"}
	write := diskChange{kind: written, node: a, octets: []byte("octets")}
	rename := diskChange{kind: renamed, node: a, dir: root, name: "a", to: root, toName: "b"}
	folder := diskChange{kind: madeFolder, node: sub, dir: root, name: "sub"}
	inside := diskChange{kind: madeFile, node: b, dir: sub, name: "c"}
	file := func(id uint64) diskChange { return diskChange{kind: syncedFile, node: id} }
	names := func(id uint64) diskChange { return diskChange{kind: syncedFolder, node: id} }
	for _, c := range []struct {
		name                string
		changes             []diskChange
		none, all, no, zero string // nothing else survived; all; names without octets; with zeros
	}{
		{"nothing", []diskChange{create, write}, "", `a="octets"`, `a=""`, `a="\x00\x00\x00\x00\x00\x00"`},
		{"octets without a name", []diskChange{create, write, file(a)}, "", `a="octets"`, `a="octets"`, `a="octets"`},
		{"a name without octets", []diskChange{create, write, names(root)}, `a=""`, `a="octets"`, `a=""`, `a="\x00\x00\x00\x00\x00\x00"`},
		{"a renaming", []diskChange{create, write, rename, names(root)}, `b=""`, `b="octets"`, `b=""`, `b="\x00\x00\x00\x00\x00\x00"`},
		{"a renaming that nobody waited for", []diskChange{create, write, file(a), names(root), rename}, `a="octets"`, `b="octets"`, `b="octets"`, `b="octets"`},
		{"a folder for the sake of its file", []diskChange{folder, inside, names(sub)}, `sub/ sub/c=""`, `sub/ sub/c=""`, `sub/ sub/c=""`, `sub/ sub/c=""`},
		{"a barrier", []diskChange{create, write, {kind: syncedAll, covers: 2}, rename}, `a="octets"`, `b="octets"`, `b="octets"`, `b="octets"`},
		{"a barrier that came too early", []diskChange{create, write, {kind: syncedAll, covers: 1}}, `a=""`, `a="octets"`, `a=""`, `a="\x00\x00\x00\x00\x00\x00"`},
		{
			"a file cut to nothing and written anew",
			[]diskChange{create, write, file(a), names(root), {kind: resized, node: a}, {kind: written, node: a, octets: []byte("new")}},
			`a="octets"`, `a="new"`, `a="octets"`, `a="\x00\x00\x00"`,
		},
	} {
		cut := newPowerCut(c.changes)
		choose := func(name, data fate) func(int, *diskChange) fate {
			return func(_ int, change *diskChange) fate {
				if change.kind.isName() {
					return name
				}
				return data
			}
		}
		for want, how := range map[string]func(int, *diskChange) fate{
			"none: " + c.none: choose(lost, lost), "all: " + c.all: choose(survived, survived),
			"names: " + c.no: choose(survived, lost), "zeros: " + c.zero: choose(survived, zeroed),
		} {
			which, _, _ := strings.Cut(want, ":")
			if got := which + ": " + cut.image(empty, how).text(); got != want {
				t.Errorf("%s: got %s, want %s", c.name, got, want)
			}
		}
	}
}

func TestHalvedWriteKeepsWholeSectors(t *testing.T) {
	old := slices.Repeat([]byte("o"), 4*sector)
	for _, c := range []struct {
		offset, length, want int64 // how many octets are new
	}{{0, 4 * sector, 2 * sector}, {sector, 100, 0}, {0, 3 * sector, sector}, {4 * sector, 100, 50}} {
		node := &diskNode{octets: old}
		node.write(&diskChange{offset: c.offset, octets: slices.Repeat([]byte("n"), int(c.length))}, halved)
		if got := int64(strings.Count(string(node.octets), "n")); got != c.want {
			t.Errorf("%d octets at %d: %d are there, want %d", c.length, c.offset, got, c.want)
		}
	}
}
