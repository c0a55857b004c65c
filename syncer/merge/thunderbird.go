package merge

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"mailferry/syncer/mailbox"
)

// NewThunderbird makes a source of a profile, of the folder with all profiles,
// or of one account's folder in it.
func NewThunderbird(name, root string) Source {
	f := &files{kind: Thunderbird, name: name, root: root}
	f.walk = func(ctx context.Context, each func(Unit) error, damage func(Damage)) error {
		accounts, err := thunderbirdAccounts(root)
		if err != nil {
			return err
		}
		for _, account := range accounts {
			t := treeWalk{root: root, kind: Thunderbird, each: each, damage: damage}
			t.isMbox = func(below string) bool { return exists(filepath.Join(root, filepath.FromSlash(below)) + ".msf") }
			t.named = func(below string) mailbox.Name {
				return treeName(strings.TrimPrefix(strings.TrimPrefix(below, account), "/"))
			}
			if err := t.folder(ctx, account); err != nil {
				return err
			}
		}
		return nil
	}
	f.inUse = func() string { return thunderbirdInUse(root) }
	return f
}

// thunderbirdAccounts finds the folders with mail, one an account, as paths
// below root. ("" is root itself.)
func thunderbirdAccounts(root string) ([]string, error) {
	profiles, err := thunderbirdProfiles(root)
	if err != nil {
		return nil, err
	}
	var accounts []string
	for _, profile := range profiles {
		for _, part := range []string{"ImapMail", "Mail"} {
			below := path.Join(profile, part)
			entries, err := os.ReadDir(filepath.Join(root, filepath.FromSlash(below)))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
			for _, entry := range entries {
				if entry.IsDir() && entry.Name()[0] != '.' {
					accounts = append(accounts, path.Join(below, entry.Name()))
				}
			}
		}
	}
	if len(accounts) == 0 {
		accounts = []string{""}
	}
	slices.SortFunc(accounts, func(a, b string) int { return CompareKeys(a+"/", b+"/") })
	return accounts, nil
}

// thunderbirdProfiles finds the profiles below root: root itself, or folders
// in it or in its Profiles.
func thunderbirdProfiles(root string) ([]string, error) {
	if isProfile(root) {
		return []string{""}, nil
	}
	var profiles []string
	for _, below := range []string{"", "Profiles"} {
		entries, err := os.ReadDir(filepath.Join(root, below))
		if err != nil && (below == "" || !errors.Is(err, fs.ErrNotExist)) {
			return nil, err
		}
		for _, entry := range entries {
			if entry.IsDir() && isProfile(filepath.Join(root, below, entry.Name())) {
				profiles = append(profiles, path.Join(below, entry.Name()))
			}
		}
	}
	return profiles, nil
}

// isProfile reports whether a folder is a profile.
func isProfile(dir string) bool {
	return exists(filepath.Join(dir, "prefs.js")) && (exists(filepath.Join(dir, "Mail")) || exists(filepath.Join(dir, "ImapMail"))) ||
		exists(filepath.Join(dir, "Mail", "Local Folders"))
}

func exists(at string) bool {
	_, err := os.Lstat(at)
	return err == nil
}

// thunderbirdInUse looks for the marks of a Thunderbird at work: a link named
// lock (Linux), or a lock held on .parentlock or parent.lock. They are in the
// profile, which root may be, contain, or be part of.
func thunderbirdInUse(root string) string {
	var profiles []string
	if found, err := thunderbirdProfiles(root); err == nil {
		for _, below := range found {
			profiles = append(profiles, filepath.Join(root, filepath.FromSlash(below)))
		}
	}
	for dir, i := root, 0; i < 3; i++ {
		dir = filepath.Dir(dir)
		if isProfile(dir) {
			profiles = append(profiles, dir)
		}
	}
	for _, profile := range profiles {
		if info, err := os.Lstat(filepath.Join(profile, "lock")); err == nil && info.Mode()&fs.ModeSymlink != 0 ||
			isLocked(filepath.Join(profile, ".parentlock")) || isLocked(filepath.Join(profile, "parent.lock")) {
			return "Thunderbird is using it now (" + filepath.Base(profile) + "); close Thunderbird, so that nothing changes while it is read"
		}
	}
	return ""
}
