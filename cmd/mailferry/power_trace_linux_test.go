package main

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
)

// diskTrace is what happened on a crashDisk since it was armed. The kernel tells
// a FUSE file system nothing of syncfs(2): those are strace's to see.
type diskTrace struct {
	changes []diskChange
	times   []time.Time // when each was done
}

// keepTrace has all that follows recorded, or with nil nothing.
func (d *crashDisk) keepTrace(trace *diskTrace) {
	d.order.Lock()
	defer d.order.Unlock()
	d.trace = trace
}

// record notes a change that was made, or a wait. d.order is held.
func (d *crashDisk) record(c diskChange) {
	if d.trace == nil {
		return
	}
	d.trace.changes = append(d.trace.changes, c)
	d.trace.times = append(d.trace.times, time.Now())
}

// inode is a path's number, with how it is now.
func inode(path string) (uint64, os.FileInfo) {
	info, err := os.Lstat(path)
	if err != nil {
		return 0, nil
	}
	return info.Sys().(*syscall.Stat_t).Ino, info
}

func mtimeOf(path string) int64 {
	if _, info := inode(path); info != nil {
		return info.ModTime().UnixNano()
	}
	return 0
}

// path is where a file or folder lies in the backing folder.
func (n *crashNode) path() string {
	return filepath.Join(n.RootData.Path, n.EmbeddedInode().Path(nil))
}

func (n *crashNode) id() uint64 {
	id, _ := inode(n.path())
	return id
}

func (n *crashNode) recordNew(kind changeKind, name string) {
	if n.disk.trace == nil {
		return
	}
	dir := n.path()
	id, info := inode(filepath.Join(dir, name))
	if info == nil {
		return
	}
	n.disk.record(diskChange{
		kind: kind, node: id, dir: n.id(), name: name, dirTime: mtimeOf(dir),
		mode: info.Mode().Perm(), mtime: info.ModTime().UnixNano(),
	})
}

func (n *crashNode) recordRemoval(id uint64, name string) {
	if n.disk.trace != nil {
		n.disk.record(diskChange{kind: removed, node: id, dir: n.id(), name: name, dirTime: mtimeOf(n.path())})
	}
}

func (n *crashNode) recordRename(name string, parent fs.InodeEmbedder, newName string) {
	if n.disk.trace == nil {
		return
	}
	dir := filepath.Join(n.RootData.Path, parent.EmbeddedInode().Path(nil))
	toDir, _ := inode(dir)
	id, _ := inode(filepath.Join(dir, newName))
	n.disk.record(diskChange{
		kind: renamed, node: id, dir: n.id(), name: name, dirTime: mtimeOf(n.path()),
		to: toDir, toName: newName, toTime: mtimeOf(dir),
	})
}

// recordAttributes notes what Setattr did to a file or folder.
func (n *crashNode) recordAttributes(isTruncated bool) {
	if n.disk.trace == nil {
		return
	}
	id, info := inode(n.path())
	if info == nil {
		return
	}
	c := diskChange{kind: redated, node: id, mode: info.Mode().Perm(), mtime: info.ModTime().UnixNano()}
	if isTruncated {
		c.kind, c.size = resized, info.Size()
	}
	n.disk.record(c)
}

func (f *crashFile) recordWrite(octets []byte, offset int64) {
	if f.disk.trace == nil || isSharedMemory(f.path) {
		return
	}
	f.disk.record(diskChange{kind: written, node: f.node, offset: offset, octets: slices.Clone(octets), mtime: time.Now().UnixNano()})
}

// isSharedMemory tells SQLite's -shm, which means nothing after a power cut.
func isSharedMemory(path string) bool { return strings.HasSuffix(path, "-shm") }

// addBarriers inserts the syncfs calls that strace saw. Each covers what was
// done when it began, from when it returned on.
func (t *diskTrace) addBarriers(strace string) (calls int, err error) {
	file, err := os.Open(strace)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	begun := map[string]time.Time{}
	type barrier struct{ begin, end time.Time }
	var barriers []barrier
	for lines := bufio.NewScanner(file); lines.Scan(); {
		// pid seconds.micros syncfs(5) = 0 <0.000012>, or in two lines.
		fields := strings.Fields(lines.Text())
		if len(fields) < 3 {
			continue
		}
		seconds, err := strconv.ParseFloat(fields[1], 64)
		if err != nil {
			continue
		}
		at := time.UnixMicro(int64(seconds * 1e6))
		text := lines.Text()
		if strings.Contains(text, "<unfinished") {
			begun[fields[0]] = at
			continue
		}
		begin := at
		if strings.Contains(text, "resumed>") {
			begin = begun[fields[0]]
		}
		took, _ := strconv.ParseFloat(strings.Trim(fields[len(fields)-1], "<>"), 64)
		if strings.Contains(text, "= 0") && strings.Contains(text, "syncfs") {
			barriers = append(barriers, barrier{begin, begin.Add(time.Duration(took * 1e9))})
		}
	}
	for _, b := range barriers {
		covers := t.before(b.begin)
		at := t.before(b.end.Add(time.Microsecond))
		t.changes = slices.Insert(t.changes, at, diskChange{kind: syncedAll, covers: covers})
		t.times = slices.Insert(t.times, at, b.end)
	}
	return len(barriers), nil
}

// before counts the changes that were done by then.
func (t *diskTrace) before(then time.Time) int {
	n, _ := slices.BinarySearchFunc(t.times, then, func(a, b time.Time) int { return a.Compare(b) })
	return n
}
