package main

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A diskImage is what a disk holds: files and folders by their inode number.
type diskImage struct {
	root  uint64
	nodes map[uint64]*diskNode
}

// diskNode is a folder if it has names.
type diskNode struct {
	mode   fs.FileMode
	mtime  int64 // ns since 1970
	octets []byte
	names  map[string]uint64
}

// diskChange is one change to a disk, or a wait until changes are durable.
type diskChange struct {
	kind changeKind
	// node is the file or folder that was made, written or synced.
	node uint64
	// dir and name say where it has its name; to and toName its new one.
	dir, to      uint64
	name, toName string
	// times are the folders' mtimes after it.
	dirTime, toTime int64
	offset          int64
	octets          []byte // written
	size            int64  // resized to
	mode            fs.FileMode
	mtime           int64
	// covers is how many changes a barrier made durable.
	covers int
}

type changeKind uint8

// The kinds of changes. The last three are waits.
const (
	madeFolder changeKind = iota
	madeFile
	removed
	renamed
	linked
	written
	resized
	redated
	syncedFile
	syncedFolder
	syncedAll
)

func (k changeKind) isName() bool { return k <= linked }
func (k changeKind) isData() bool { return k == written || k == resized || k == redated }

func (d *diskImage) clone() *diskImage {
	copied := &diskImage{root: d.root, nodes: make(map[uint64]*diskNode, len(d.nodes))}
	for id, node := range d.nodes {
		twin := *node
		twin.names = maps.Clone(node.names)
		copied.nodes[id] = &twin
	}
	return copied
}

// node is the file or folder, which may not have a name (yet).
func (d *diskImage) node(id uint64) *diskNode {
	if d.nodes[id] == nil {
		d.nodes[id] = &diskNode{}
	}
	return d.nodes[id]
}

func (d *diskImage) apply(c *diskChange, f fate) {
	switch c.kind {
	case madeFolder, madeFile:
		made := d.node(c.node)
		made.mode = c.mode
		if made.mtime == 0 {
			made.mtime = c.mtime
		}
		if c.kind == madeFolder && made.names == nil {
			made.names = map[string]uint64{}
		}
		d.put(c.dir, c.name, c.node, c.dirTime)
	case removed:
		d.take(c.dir, c.name, c.dirTime)
	case renamed:
		d.take(c.dir, c.name, c.dirTime)
		d.put(c.to, c.toName, c.node, c.toTime)
	case linked:
		d.put(c.dir, c.name, c.node, c.dirTime)
	case written:
		d.node(c.node).write(c, f)
	case resized:
		node := d.node(c.node)
		node.resize(c.size)
		node.mtime = c.mtime
	case redated:
		node := d.node(c.node)
		node.mode, node.mtime = c.mode, c.mtime
	}
}

func (d *diskImage) put(dir uint64, name string, node uint64, mtime int64) {
	d.node(dir).names[name] = node
	d.node(dir).mtime = mtime
}

func (d *diskImage) take(dir uint64, name string, mtime int64) {
	delete(d.node(dir).names, name)
	d.node(dir).mtime = mtime
}

// sector is what a disk writes whole.
const sector = 512

// write never changes octets in place: images share them.
func (n *diskNode) write(c *diskChange, f fate) {
	octets := c.octets
	n.mtime = c.mtime
	end := c.offset + int64(len(octets))
	switch f {
	case zeroed:
		if int64(len(n.octets)) < end {
			n.resize(end)
		}
		return
	case halved:
		half := c.offset + int64(len(octets)/2)
		if c.offset < int64(len(n.octets)) { // over what is there: whole sectors
			half -= half % sector
		}
		octets = octets[:max(half-c.offset, 0)]
		end = c.offset + int64(len(octets))
	}
	merged := make([]byte, max(int64(len(n.octets)), end))
	copy(merged, n.octets)
	copy(merged[min(c.offset, int64(len(merged))):], octets)
	n.octets = merged
}

func (n *diskNode) resize(size int64) {
	octets := make([]byte, size)
	copy(octets, n.octets)
	n.octets = octets
}

// sweep drops what has no name.
func (d *diskImage) sweep() {
	there := map[uint64]bool{}
	d.walk(func(_ string, id uint64, _ *diskNode) { there[id] = true })
	for id := range d.nodes {
		if !there[id] {
			delete(d.nodes, id)
		}
	}
}

// walk visits folders before what is in them, in the order of names.
func (d *diskImage) walk(visit func(path string, id uint64, node *diskNode)) {
	var into func(path string, id uint64)
	into = func(path string, id uint64) {
		node := d.nodes[id]
		visit(path, id, node)
		for _, name := range slices.Sorted(maps.Keys(node.names)) {
			into(filepath.Join(path, name), node.names[name])
		}
	}
	into(".", d.root)
}

// sum tells equal images.
func (d *diskImage) sum() [sha256.Size]byte {
	h := sha256.New()
	d.walk(func(path string, _ uint64, node *diskNode) {
		fmt.Fprintf(h, "%q %v %d %v %d\n", path, node.mode, node.mtime, node.names != nil, len(node.octets))
		_, _ = h.Write(node.octets)
	})
	return [sha256.Size]byte(h.Sum(nil))
}

// readDisk reads a folder into an image.
func readDisk(dir string) (*diskImage, error) {
	d := &diskImage{nodes: map[uint64]*diskNode{}}
	parents := map[string]uint64{}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		id := info.Sys().(*syscall.Stat_t).Ino
		node := &diskNode{mode: info.Mode().Perm(), mtime: info.ModTime().UnixNano()}
		if info.IsDir() {
			node.names, parents[path] = map[string]uint64{}, id
		} else if node.octets, err = os.ReadFile(path); err != nil {
			return err
		}
		d.nodes[id] = node
		if path == dir {
			d.root = id
		} else {
			d.nodes[parents[filepath.Dir(path)]].names[filepath.Base(path)] = id
		}
		return nil
	})
	return d, err
}

// writeTo makes a folder that is what the image is.
func (d *diskImage) writeTo(dir string) error {
	paths := map[uint64]string{}
	var folders []string
	var err error
	d.walk(func(path string, id uint64, node *diskNode) {
		path = filepath.Join(dir, path)
		switch first, isThere := paths[id]; {
		case err != nil:
		case node.names != nil:
			err = os.MkdirAll(path, 0o700)
			folders = append(folders, path)
		case isThere:
			err = os.Link(first, path)
		default:
			paths[id] = path
			err = os.WriteFile(path, node.octets, 0o600)
			err = cmp.Or(err, node.dress(path))
		}
	})
	for _, path := range slices.Backward(folders) {
		relative, _ := filepath.Rel(dir, path)
		err = cmp.Or(err, d.at(relative).dress(path))
	}
	return err
}

func (d *diskImage) at(path string) *diskNode {
	node := d.nodes[d.root]
	if path != "." {
		for name := range strings.SplitSeq(path, "/") {
			node = d.nodes[node.names[name]]
		}
	}
	return node
}

func (n *diskNode) dress(path string) error {
	err := os.Chmod(path, n.mode)
	return cmp.Or(err, os.Chtimes(path, time.Unix(0, n.mtime), time.Unix(0, n.mtime)))
}

// text shows an image: paths with octets.
func (d *diskImage) text() string {
	var parts []string
	d.walk(func(path string, _ uint64, node *diskNode) {
		switch {
		case path == ".":
		case node.names != nil:
			parts = append(parts, path+"/")
		default:
			parts = append(parts, fmt.Sprintf("%s=%q", path, node.octets))
		}
	})
	return strings.Join(parts, " ")
}

func TestImageIsReadAndWritten(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "to")
	for _, err := range []error{
		os.MkdirAll(from+"/a/b", 0o700), os.WriteFile(from+"/a/f", []byte("x"), 0o640), os.Link(from+"/a/f", from+"/g"),
		os.Chtimes(from+"/a/b", time.Unix(7, 7), time.Unix(7, 7)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	one, err := readDisk(from)
	if err == nil {
		err = one.writeTo(to)
	}
	if err != nil {
		t.Fatal(err)
	}
	two, err := readDisk(to)
	if err != nil || one.sum() != two.sum() || len(one.nodes) != len(two.nodes) {
		t.Errorf("%v: %s became %s", err, one.text(), two.text())
	}
}
