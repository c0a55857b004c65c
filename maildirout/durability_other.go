//go:build !linux

package maildirout

import "os"

// syncOpenFlag: Windows flushes only what is open for writing.
const syncOpenFlag = os.O_RDWR

// syncDisk: there is no barrier for a whole file system that waits and tells
// of errors.
func (s *Store) syncDisk([]string) (done bool, err error) { return false, nil }
