package main

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
)

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func TestCrashDiskStrikesAtTheGivenChange(t *testing.T) {
	backing, point := t.TempDir(), t.TempDir()
	d := mountCrashDisk(t, backing, point)
	defer d.unmount(t)
	steps := func() (done int) {
		for i, step := range []func() error{
			func() error { return os.Mkdir(point+"/a", 0o700) },
			func() error { return os.WriteFile(point+"/a/f", []byte("x"), 0o600) }, // made and written: two
			func() error { return os.Rename(point+"/a/f", point+"/a/g") },
			func() error { return os.Link(point+"/a/g", point+"/a/h") },
			func() error { return os.Remove(point + "/a/g") },
			func() error { return syncDir(point + "/a") },
		} {
			if err := step(); err != nil {
				return i
			}
		}
		return 6
	}
	d.arm(0, nil)
	if done := steps(); done != 6 || d.changes() != 7 {
		t.Fatalf("%d steps in %d changes, want 6 in 7", done, d.changes())
	}
	for at, want := range map[int]int{1: 0, 3: 1, 4: 2, 6: 4, 7: 5} {
		if err := os.RemoveAll(backing + "/a"); err != nil {
			t.Fatal(err)
		}
		var struck atomic.Int32
		d.arm(at, func() { struck.Add(1) })
		if done := steps(); done != want || struck.Load() != 1 || !d.struck() {
			t.Errorf("at %d: %d steps are done, want %d; struck %d times", at, done, want, struck.Load())
		}
		if _, err := os.Stat(backing + "/a/h"); at <= 4 && err == nil {
			t.Errorf("at %d: what came later had an effect", at)
		}
	}
	d.fail(1, syscall.ENOSPC, true)
	if err := os.Mkdir(point+"/b", 0o700); fmt.Sprint(err) != "mkdir "+point+"/b: no space left on device" {
		t.Errorf("error %v", err)
	}
	if err := os.Mkdir(point+"/b", 0o700); err != nil {
		t.Errorf("only one change was to fail: %v", err)
	}
}
