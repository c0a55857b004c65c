package main

import (
	"bytes"
	"context"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// crashDisk is a file system that hands everything to a folder below it and
// counts what changes something: made files, written octets, renames, fsyncs.
// At a given number it strikes: a function is called, and from then on nothing
// has an effect any more, as for a process that was killed at that instant.
type crashDisk struct {
	server *fuse.Server

	// order is held while a change is made and recorded; trace is nil unless
	// changes are.
	order sync.Mutex
	trace *diskTrace

	mu     sync.Mutex
	count  int
	at     int // 0: never
	strike func()
	errno  syscall.Errno
	once   bool // only that one operation fails
	blown  bool
}

// mountCrashDisk shows backing at point until the test ends or unmount is
// called. It needs root and /dev/fuse.
func mountCrashDisk(tb testing.TB, backing, point string) *crashDisk {
	tb.Helper()
	d := &crashDisk{}
	root := &fs.LoopbackRoot{Path: backing}
	var st syscall.Stat_t
	if err := syscall.Stat(backing, &st); err != nil {
		tb.Fatal(err)
	}
	root.Dev = uint64(st.Dev)
	node := &crashNode{LoopbackNode: &fs.LoopbackNode{RootData: root}, disk: d}
	root.RootNode = node
	server, err := fs.Mount(point, node, &fs.Options{MountOptions: fuse.MountOptions{DirectMountStrict: true, FsName: "crashdisk"}})
	if err != nil {
		tb.Fatalf("mount a FUSE file system (needs root and /dev/fuse): %v", err)
	}
	d.server = server
	return d
}

func (d *crashDisk) unmount(tb testing.TB) {
	tb.Helper()
	// The kernel lets go of a killed process's files a moment after its end.
	err := d.server.Unmount()
	for deadline := time.Now().Add(10 * time.Second); err != nil && time.Now().Before(deadline); err = d.server.Unmount() {
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		tb.Fatalf("unmount: %v", err)
	}
}

// arm strikes at the at-th change from now on.
func (d *crashDisk) arm(at int, strike func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count, d.at, d.strike, d.blown, d.errno, d.once = 0, at, strike, false, syscall.EIO, false
}

// shortWrite is a fault that a disk does not report: it takes half of what is
// written. What is no write fails as on a full disk.
const shortWrite = syscall.Errno(1 << 20)

// fail lets the at-th change from now on fail with errno; with once only that
// one, else all that follow, too.
func (d *crashDisk) fail(at int, errno syscall.Errno, once bool) {
	d.arm(at, func() {})
	d.mu.Lock()
	defer d.mu.Unlock()
	d.errno, d.once = errno, once
}

// changes counts the changes since arm.
func (d *crashDisk) changes() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.count
}

func (d *crashDisk) struck() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.blown
}

// change counts one and says whether it may take effect.
func (d *crashDisk) change() syscall.Errno {
	errno := d.fault()
	if errno == shortWrite {
		return syscall.ENOSPC
	}
	return errno
}

// write counts a change that writes data and says how much of it may take effect.
func (d *crashDisk) write(data []byte) ([]byte, syscall.Errno) {
	errno := d.fault()
	switch {
	case errno == shortWrite && len(data) > 1:
		return data[:len(data)/2], 0
	case errno == shortWrite:
		return nil, syscall.ENOSPC
	}
	return data, errno
}

// fault counts a change and says what goes wrong with it.
func (d *crashDisk) fault() syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.blown {
		if d.once {
			return 0
		}
		return d.errno
	}
	d.count++
	if d.at > 0 && d.count == d.at {
		d.blown = true
		d.strike()
		return d.errno
	}
	return 0
}

// crashNode is a file or folder of a crashDisk.
type crashNode struct {
	*fs.LoopbackNode
	disk *crashDisk
}

// WrapChild makes a crashNode of each file and folder that turns up below.
func (n *crashNode) WrapChild(_ context.Context, child fs.InodeEmbedder) fs.InodeEmbedder {
	return &crashNode{LoopbackNode: child.(*fs.LoopbackNode), disk: n.disk}
}

func (n *crashNode) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if errno := n.disk.change(); errno != 0 {
		return nil, errno
	}
	n.disk.order.Lock()
	defer n.disk.order.Unlock()
	inode, errno := n.LoopbackNode.Mkdir(ctx, name, mode, out)
	if errno == 0 {
		n.recordNew(madeFolder, name)
	}
	return inode, errno
}

func (n *crashNode) Rmdir(ctx context.Context, name string) syscall.Errno {
	if errno := n.disk.change(); errno != 0 {
		return errno
	}
	return n.remove(name, func() syscall.Errno { return n.LoopbackNode.Rmdir(ctx, name) })
}

func (n *crashNode) Unlink(ctx context.Context, name string) syscall.Errno {
	if errno := n.disk.change(); errno != 0 {
		return errno
	}
	return n.remove(name, func() syscall.Errno { return n.LoopbackNode.Unlink(ctx, name) })
}

func (n *crashNode) remove(name string, remove func() syscall.Errno) syscall.Errno {
	n.disk.order.Lock()
	defer n.disk.order.Unlock()
	id, _ := inode(filepath.Join(n.path(), name))
	errno := remove()
	if errno == 0 {
		n.recordRemoval(id, name)
	}
	return errno
}

func (n *crashNode) Rename(ctx context.Context, name string, parent fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	if errno := n.disk.change(); errno != 0 {
		return errno
	}
	n.disk.order.Lock()
	defer n.disk.order.Unlock()
	errno := n.LoopbackNode.Rename(ctx, name, parent, newName, flags)
	if errno == 0 {
		n.recordRename(name, parent, newName)
	}
	return errno
}

func (n *crashNode) Link(ctx context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if errno := n.disk.change(); errno != 0 {
		return nil, errno
	}
	n.disk.order.Lock()
	defer n.disk.order.Unlock()
	inode, errno := n.LoopbackNode.Link(ctx, target, name, out)
	if errno == 0 {
		n.recordNew(linked, name)
	}
	return inode, errno
}

func (n *crashNode) Symlink(ctx context.Context, target, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if errno := n.disk.change(); errno != 0 {
		return nil, errno
	}
	return n.LoopbackNode.Symlink(ctx, target, name, out)
}

func (n *crashNode) Setattr(ctx context.Context, f fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if errno := n.disk.change(); errno != 0 {
		return errno
	}
	if file, ok := f.(*crashFile); ok {
		f = file.LoopbackFile
	}
	n.disk.order.Lock()
	defer n.disk.order.Unlock()
	errno := n.LoopbackNode.Setattr(ctx, f, in, out)
	if errno == 0 {
		_, isTruncated := in.GetSize()
		n.recordAttributes(isTruncated)
	}
	return errno
}

func (n *crashNode) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	if errno := n.disk.change(); errno != 0 {
		return nil, nil, 0, errno
	}
	n.disk.order.Lock()
	defer n.disk.order.Unlock()
	inode, handle, fuseFlags, errno := n.LoopbackNode.Create(ctx, name, flags, mode, out)
	if errno == 0 {
		n.recordNew(madeFile, name)
	}
	return inode, n.wrap(handle, filepath.Join(n.path(), name)), fuseFlags, errno
}

func (n *crashNode) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if flags&syscall.O_TRUNC != 0 {
		if errno := n.disk.change(); errno != 0 {
			return nil, 0, errno
		}
	}
	n.disk.order.Lock()
	defer n.disk.order.Unlock()
	handle, fuseFlags, errno := n.LoopbackNode.Open(ctx, flags)
	if errno == 0 && flags&syscall.O_TRUNC != 0 {
		n.recordAttributes(true)
	}
	return n.wrap(handle, n.path()), fuseFlags, errno
}

func (n *crashNode) wrap(handle fs.FileHandle, path string) fs.FileHandle {
	if file, ok := handle.(*fs.LoopbackFile); ok {
		id, _ := inode(path)
		return &crashFile{LoopbackFile: file, disk: n.disk, path: path, node: id}
	}
	return handle
}

// OpendirHandle sees to it that we hear of a folder's fsync.
func (n *crashNode) OpendirHandle(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	handle, fuseFlags, errno := n.LoopbackNode.OpendirHandle(ctx, flags)
	if stream, ok := handle.(dirStream); ok {
		handle = &crashFolder{stream, n}
	}
	return handle, fuseFlags, errno
}

type dirStream interface {
	fs.FileReaddirenter
	fs.FileSeekdirer
	fs.FileReleasedirer
}

// crashFolder is an open folder of a crashDisk.
type crashFolder struct {
	dirStream
	node *crashNode
}

// Fsyncdir counts and does nothing else.
func (f *crashFolder) Fsyncdir(context.Context, uint32) syscall.Errno {
	errno := f.node.disk.change()
	if errno == 0 {
		f.node.disk.order.Lock()
		defer f.node.disk.order.Unlock()
		f.node.disk.record(diskChange{kind: syncedFolder, node: f.node.id()})
	}
	return errno
}

// Tmpfile and CopyFileRange are left to the programs' other ways.
func (n *crashNode) Tmpfile(context.Context, uint32, uint32, *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	return nil, nil, 0, syscall.EOPNOTSUPP
}

func (n *crashNode) CopyFileRange(context.Context, fs.FileHandle, uint64, *fs.Inode, fs.FileHandle, uint64, uint64, uint64) (uint32, syscall.Errno) {
	return 0, syscall.ENOSYS
}

func (n *crashNode) Statx(context.Context, fs.FileHandle, uint32, uint32, *fuse.StatxOut) syscall.Errno {
	return syscall.ENOSYS
}

// crashFile is an open file of a crashDisk.
type crashFile struct {
	*fs.LoopbackFile
	disk *crashDisk
	path string // when it was opened
	node uint64
}

// PassthroughFd keeps the kernel from writing behind our back.
func (f *crashFile) PassthroughFd() (int, bool) { return -1, false }

func (f *crashFile) Write(ctx context.Context, data []byte, off int64) (uint32, syscall.Errno) {
	data, errno := f.disk.write(data)
	if errno != 0 {
		return 0, errno
	}
	f.disk.order.Lock()
	defer f.disk.order.Unlock()
	n, errno := f.LoopbackFile.Write(ctx, data, off)
	if errno == 0 {
		f.recordWrite(data[:n], off)
	}
	return n, errno
}

func (f *crashFile) Writev(ctx context.Context, data [][]byte, off int64) (uint32, syscall.Errno) {
	return f.Write(ctx, bytes.Join(data, nil), off)
}

// Fsync counts and does nothing else: nothing here tests the machine's power.
func (f *crashFile) Fsync(context.Context, uint32) syscall.Errno {
	errno := f.disk.change()
	if errno == 0 {
		f.disk.order.Lock()
		defer f.disk.order.Unlock()
		f.disk.record(diskChange{kind: syncedFile, node: f.node})
	}
	return errno
}

func (f *crashFile) Setattr(ctx context.Context, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if errno := f.disk.change(); errno != 0 {
		return errno
	}
	return f.LoopbackFile.Setattr(ctx, in, out)
}

func (f *crashFile) Allocate(ctx context.Context, off, size uint64, mode uint32) syscall.Errno {
	if errno := f.disk.change(); errno != 0 {
		return errno
	}
	return f.LoopbackFile.Allocate(ctx, off, size, mode)
}
