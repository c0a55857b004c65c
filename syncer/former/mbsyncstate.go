package former

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"mailferry/syncer/mailbox"
)

// ErrFormat is wrapped by errors about files that are not what they should be.
var ErrFormat = errors.New("cannot be read")

// MbsyncState is one state file of mbsync: of versions 1.1 to 1.5, or before.
type MbsyncState struct {
	// FarUIDValidity is the server's, NearUIDValidity that of the numbers in
	// file names.
	FarUIDValidity, NearUIDValidity uint32
	// ExpiredTo is Folder's.
	ExpiredTo mailbox.UID
	Records   []Record
	// expiredNear is the number on disk up to which messages expired, as it was
	// remembered before 1.3.
	expiredNear uint32
}

// pre13 stood for "no number" before mbsync 1.3.
const pre13 = 1<<32 - 1

// ParseMbsyncState reads a state file. Errors wrap ErrFormat, or are r's.
func ParseMbsyncState(r io.Reader) (MbsyncState, error) {
	var s MbsyncState
	lines := bufio.NewScanner(r)
	lines.Split(wholeLines)
	number, inHeader := 0, true
	for lines.Scan() {
		line := lines.Text()
		number++
		var err error
		switch {
		case inHeader && line == "":
			inHeader = false
		case inHeader && number == 1 && line[0] >= '0' && line[0] <= '9':
			inHeader, err = false, s.oldHeader(line)
		case inHeader:
			err = s.header(line)
		default:
			err = s.row(line)
		}
		if err != nil {
			return MbsyncState{}, fmt.Errorf("line %d: %w", number, err)
		}
	}
	if err := lines.Err(); err != nil {
		return MbsyncState{}, err
	}
	if inHeader {
		return MbsyncState{}, fmt.Errorf("%w: its head has no end", ErrFormat)
	}
	if s.expiredNear != 0 {
		s.ExpiredTo = s.belowCurrent()
	}
	return s, nil
}

// belowCurrent is the highest UID below all messages that had not expired, for
// states of before 1.3.
func (s *MbsyncState) belowCurrent() mailbox.UID {
	lowest := mailbox.MaxUID
	for i := range s.Records {
		r := &s.Records[i]
		isOld := r.Expired && r.Number == 0 || !r.Expired && r.Number != 0 && r.Number <= s.expiredNear
		if r.UID != 0 && !r.Skipped && !isOld {
			lowest = min(lowest, r.UID)
		}
	}
	if lowest == mailbox.MaxUID {
		return 0 // no message says up to where
	}
	return lowest - 1
}

// wholeLines is bufio.ScanLines for which a last line without an end is an
// error: the file was cut.
func wholeLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if atEOF && len(data) > 0 && data[len(data)-1] != '\n' && !strings.Contains(string(data), "\n") {
		return 0, nil, fmt.Errorf("%w: its last line is cut short", ErrFormat)
	}
	advance, token, err = bufio.ScanLines(data, false)
	return advance, token, err
}

func (s *MbsyncState) header(line string) error {
	name, text, _ := strings.Cut(line, " ")
	value, err := strconv.ParseUint(strings.TrimSpace(text), 10, 32)
	if err != nil {
		return fmt.Errorf("%w: %.60q", ErrFormat, line)
	}
	switch name {
	case "FarUidValidity", "MasterUidValidity":
		s.FarUIDValidity = uint32(value)
	case "NearUidValidity", "SlaveUidValidity":
		s.NearUIDValidity = uint32(value)
	case "MaxExpiredFarUid", "MaxExpiredMasterUid":
		s.ExpiredTo = mailbox.UID(value)
	case "MaxExpiredNearUid", "MaxExpiredSlaveUid":
		s.expiredNear = uint32(value)
	case "MaxPulledUid", "MaxPushedUid":
	default:
		return fmt.Errorf("%w: %.60q", ErrFormat, line)
	}
	return nil
}

// oldHeader is the one line "validity:max validity:expired:max" of before 1.1.
func (s *MbsyncState) oldHeader(line string) error {
	var pulled, pushed uint32
	n, err := fmt.Sscanf(line, "%d:%d %d:%d:%d", &s.FarUIDValidity, &pulled, &s.NearUIDValidity, &s.expiredNear, &pushed)
	if n != 5 || err != nil {
		return fmt.Errorf("%w: %.60q", ErrFormat, line)
	}
	return nil
}

// row reads "far near flags", the flags led by marks.
func (s *MbsyncState) row(line string) error {
	fields := strings.Fields(line)
	if len(fields) < 2 || len(fields) > 3 {
		return fmt.Errorf("%w: %.60q", ErrFormat, line)
	}
	far, errFar := strconv.ParseUint(fields[0], 10, 32)
	near, errNear := strconv.ParseUint(fields[1], 10, 32)
	if errFar != nil || errNear != nil {
		return fmt.Errorf("%w: %.60q", ErrFormat, line)
	}
	var r Record
	letters := ""
	if len(fields) == 3 {
		letters = fields[2]
	}
	if rest, ok := strings.CutPrefix(letters, "<"); ok {
		letters, r.Stub = rest, OnServer
	} else if rest, ok := strings.CutPrefix(letters, ">"); ok {
		letters, r.Stub = rest, OnDisk
	}
	switch {
	case strings.HasPrefix(letters, "^"):
		letters, r.Skipped = letters[1:], true
	case strings.HasPrefix(letters, "~"), strings.HasPrefix(letters, "X"):
		letters, r.Expired = letters[1:], true
	}
	if far == pre13 {
		far, r.Skipped = 0, true
	}
	if near == pre13 {
		near, r.Skipped = 0, true
	}
	if strings.Trim(letters, "DFPRST") != "" {
		return fmt.Errorf("%w: unknown mark in %.60q", ErrFormat, line)
	}
	r.UID, r.Number, r.Flags = mailbox.UID(far), uint32(near), flagsOf(letters)
	s.Records = append(s.Records, r)
	return nil
}

// MbsyncNumber is a Numbering: ",U=17" in a file's name.
func MbsyncNumber(key mailbox.Key) uint32 { return numberAfter(string(key), ",U=") }
