package maildirout

import (
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"mailferry/syncer/mailbox"
)

// verbatimMark ends the key of a message whose file holds the wire form itself.
const verbatimMark = ",mfV"

// draftPrefix begins the names of our files in tmp, so that Sweep can tell
// them from those of other programs.
const draftPrefix = "mailferry-"

func isMarked(key mailbox.Key) bool { return strings.HasSuffix(string(key), verbatimMark) }

// draftName is the name of a draft in tmp. The mark is not part of it: whether
// there is one shows only when the message was read.
func draftName(key mailbox.Key) string {
	return draftPrefix + strings.TrimSuffix(string(key), verbatimMark)
}

// keyMaker makes keys that no other process or machine makes.
type keyMaker struct {
	host string
	pid  int
	now  func() time.Time

	mu     sync.Mutex
	random io.Reader
	count  int
}

func newKeyMaker(host string, now func() time.Time, random io.Reader) *keyMaker {
	if host == "" {
		host, _ = os.Hostname()
	}
	return &keyMaker{host: keyHost(host), pid: os.Getpid(), now: now, random: random}
}

// keyHost escapes what a file name, an info part or a mark could be taken for.
func keyHost(host string) string {
	var b strings.Builder
	for _, c := range []byte(host) {
		switch {
		case c <= ' ' || c >= 0x7f || strings.IndexByte(`/:;,\<>"|?*`, c) >= 0:
			fmt.Fprintf(&b, "=%02X", c)
		default:
			b.WriteByte(c)
		}
		if b.Len() > 60 {
			break
		}
	}
	if b.Len() == 0 {
		return "localhost"
	}
	return b.String()
}

// next returns a new key: time, process, sequence, chance and host.
func (k *keyMaker) next() (mailbox.Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var chance [8]byte
	if _, err := io.ReadFull(k.random, chance[:]); err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	k.count++
	now := k.now()
	return mailbox.Key(fmt.Sprintf("%d.M%dP%dQ%dR%s.%s", now.Unix(), now.Nanosecond()/1000, k.pid, k.count,
		hex.EncodeToString(chance[:]), k.host)), nil
}
