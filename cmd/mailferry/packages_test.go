//go:build packages

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestPackageIsInstalledAndWorks unpacks the .deb of this machine that
// `make packages` has built, as dpkg does, and runs what is in it.
func TestPackageIsInstalledAndWorks(t *testing.T) {
	debs, err := filepath.Glob(filepath.Join("..", "..", "dist", "packages", "mailferry_*_"+runtime.GOARCH+".deb"))
	if err != nil || len(debs) != 1 {
		t.Fatalf("%d packages for %s in dist/packages, want 1: make packages (%v)", len(debs), runtime.GOARCH, err)
	}
	root := t.TempDir()
	output := func(program string, args ...string) string {
		t.Helper()
		cmd := exec.Command(program, args...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + root, "XDG_CONFIG_HOME=" + root, "XDG_STATE_HOME=" + root, "MANPAGER=cat", "LC_ALL=C.UTF-8"}
		text, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s %s: %v\n%s", program, strings.Join(args, " "), err, text)
		}
		return string(text)
	}
	if text := output("dpkg-deb", "--info", debs[0]); !strings.Contains(text, "Package: mailferry") || !strings.Contains(text, "Section: mail") {
		t.Errorf("the package says\n%s", text)
	}
	output("dpkg-deb", "--extract", debs[0], root)
	for _, file := range []string{
		"share/man/man1/mailferry.1.gz", "share/man/man1/mailferry-import-state.1.gz", "share/man/man7/mailferry-safety.7.gz",
		"share/bash-completion/completions/mailferry", "share/zsh/vendor-completions/_mailferry", "share/fish/vendor_completions.d/mailferry.fish",
		"lib/systemd/user/mailferry@.service", "lib/systemd/user/mailferry@.timer", "share/doc/mailferry/copyright",
	} {
		if _, err := os.Stat(filepath.Join(root, "usr", file)); err != nil {
			t.Error(err)
		}
	}
	binary := filepath.Join(root, "usr", "bin", "mailferry")
	if text := output(binary, "version"); !strings.HasPrefix(text, "mailferry 0") {
		t.Errorf("version: %s", text)
	}
	output(binary, "demo", filepath.Join(root, "demo"))
	if text := output(binary, "help", "safety"); !strings.Contains(text, "verified TLS") {
		t.Errorf("help safety: %s", text)
	}
	if text := output(binary, "__complete", "s"); !strings.Contains(text, "sync\t") {
		t.Errorf("completion offers\n%s", text)
	}
	output("bash", "-n", filepath.Join(root, "usr", "share", "bash-completion", "completions", "mailferry"))
	if man, err := exec.LookPath("man"); err == nil {
		if text := output(man, filepath.Join(root, "usr", "share", "man", "man1", "mailferry.1.gz")); !strings.Contains(text, "SYNOPSIS") {
			t.Errorf("man mailferry: %s", text)
		}
	}
	if analyze, err := exec.LookPath("systemd-analyze"); err == nil {
		unit := filepath.Join(root, "usr", "lib", "systemd", "user", "mailferry@.timer")
		if text := output(analyze, "--user", "calendar", "*:0/10"); !strings.Contains(text, "Normalized form") {
			t.Errorf("%s: %s", unit, text)
		}
	}
}
