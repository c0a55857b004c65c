package maildirout

import (
	"os"
	"path/filepath"
	"strings"
)

// Traits is what a disk is like, as far as looking tells: nothing is written.
type Traits struct {
	// FileSystem is its kind, such as "ext4"; "" is unknown.
	FileSystem string
	// Free are octets that can still be written, where KnowsFree.
	Free      uint64
	KnowsFree bool
	// Files and FreeFiles count what there can be and what is left; Files is 0
	// where the file system has no limit.
	Files, FreeFiles uint64
	// IsReadOnly: mounted so.
	IsReadOnly bool
	// FoldsCase: "a" and "A" are the same name. It is seen only in a folder that
	// has a file or folder with letters in its name.
	FoldsCase bool
	// LacksLinks: no file can have two names. LacksColons: names cannot have
	// what separates a Maildir's flags. IsVolatile: it is memory. IsRemote: on
	// another machine.
	LacksLinks, LacksColons, IsVolatile, IsRemote bool
}

// Examine looks at the disk that has a folder. Errors are the system's.
func Examine(dir string) (Traits, error) {
	if _, err := os.Stat(dir); err != nil {
		return Traits{}, err
	}
	traits := examine(dir)
	traits.Free, traits.KnowsFree = freeSpace(dir)
	traits.FoldsCase = foldsCase(dir)
	return traits, nil
}

// foldsCase looks whether a name that is there is also there in capitals.
func foldsCase(dir string) bool {
	folder, err := os.Open(dir)
	if err != nil {
		return false
	}
	defer folder.Close()
	names, _ := folder.Readdirnames(100)
	for _, name := range names {
		other := strings.ToUpper(name)
		if other == name {
			other = strings.ToLower(name)
		}
		if other == name {
			continue
		}
		one, err := os.Lstat(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		two, err := os.Lstat(filepath.Join(dir, other))
		return err == nil && os.SameFile(one, two)
	}
	return false
}
