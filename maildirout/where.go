package maildirout

import (
	"context"
	"fmt"

	"mailferry/syncer/mailbox"
)

// Path returns where a message's file is now, relative to the store's folder
// and with slashes. mailbox.ErrNotFound if it is gone.
func (s *Store) Path(ctx context.Context, name mailbox.Name, key mailbox.Key) (string, error) {
	f, err := s.openFolder(name)
	if err != nil {
		return "", err
	}
	defer f.close()
	found, err := s.find(ctx, f, key, false)
	if err == nil {
		// What is remembered may be outdated: mail readers rename files.
		if _, statErr := f.root.Lstat(found.sub() + "/" + found.name); statErr != nil {
			found, err = s.find(ctx, f, key, true)
		}
	}
	if err != nil {
		return "", fmt.Errorf("folder %s: message %s: %w", name, key, err)
	}
	return string(f.path.join(found.sub(), found.name)), nil
}

// FormerPath is Path for a message that was removed: as its flags are
// forgotten, the name ends with the key. mailbox.ErrNotFound if the folder is
// gone, too.
func (s *Store) FormerPath(name mailbox.Name, key mailbox.Key) (string, error) {
	f, err := s.openFolder(name)
	if err != nil {
		return "", err
	}
	defer f.close()
	return string(f.path.join("cur", string(key))), nil
}
