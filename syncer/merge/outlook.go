package merge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// ErrNoReadpst is returned where Outlook's files cannot be read because
// libpst's readpst is not installed.
var ErrNoReadpst = errors.New("PST and OST files of Outlook are read with readpst, which is not installed")

// NewOutlook makes a source of a PST or OST file. Readpst converts it into a
// folder below dir, where the next run finds it: no two conversions are alike
// to the octet.
func NewOutlook(ctx context.Context, name, at, dir string) (Source, error) {
	info, err := os.Stat(at)
	if err != nil {
		return nil, err
	}
	id := hashOf("outlook", at, fmt.Sprint(info.Size(), info.ModTime().UnixNano())).String()[:32]
	converted := filepath.Join(dir, id+".pst")
	if !exists(converted) {
		if err := convertOutlook(ctx, at, converted); err != nil {
			return nil, err
		}
	}
	f := newTree(Outlook, name, converted)
	f.steady = steadyBoundary
	f.inUse = func() string {
		after, err := os.Stat(at)
		if err != nil || after.Size() != info.Size() || !after.ModTime().Equal(info.ModTime()) {
			return at + " changed while it was read; close Outlook and run merge again"
		}
		return ""
	}
	return f, nil
}

// convertOutlook runs readpst. What it makes gets its name only when it is
// complete.
func convertOutlook(ctx context.Context, at, converted string) error {
	program, err := exec.LookPath("readpst")
	if err != nil {
		return ErrNoReadpst
	}
	if err := os.MkdirAll(filepath.Dir(converted), 0o700); err != nil {
		return err
	}
	work, err := os.MkdirTemp(filepath.Dir(converted), "readpst-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	// -r: one mbox a folder, nested as in the file; -te: messages only, no
	// appointments or contacts; -8: UTF-8; -b: no RTF copies of bodies.
	cmd := exec.CommandContext(ctx, program, "-q", "-r", "-te", "-8", "-b", "-o", work, at)
	cmd.WaitDelay = 5 * time.Second
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("readpst %s: %w: %s", at, err, strings.TrimSpace(lastLine(output.String())))
	}
	return os.Rename(work, converted)
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

var inventedBoundary = []byte("boundary-LibPST-iamunique-")

// steadyBoundary takes the random number out of readpst's MIME boundaries, so
// that one message in two PST files is one.
func steadyBoundary(text []byte) []byte {
	i := bytes.Index(text, inventedBoundary)
	if i < 0 {
		return text
	}
	end := i + len(inventedBoundary)
	for end < len(text) && (text[end] >= '0' && text[end] <= '9' || text[end] == '-' && end == i+len(inventedBoundary)) {
		end++
	}
	return append(append([]byte(nil), text[:i+len(inventedBoundary)]...), text[end:]...)
}
