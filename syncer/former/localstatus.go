package former

import (
	"bufio"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"

	"mailferry/syncer/mailbox"
)

// The first lines of offlineimap's text files.
const (
	statusV1 = "OFFLINEIMAP LocalStatus CACHE DATA - DO NOT MODIFY - FORMAT 1"
	statusV2 = "OFFLINEIMAP LocalStatus CACHE DATA - DO NOT MODIFY - FORMAT 2"
)

// ParseLocalStatus reads one of offlineimap's status files in text: format 1
// ("uid:flags") or 2 ("uid|flags|mtime|labels"). Errors wrap ErrFormat, or are
// r's.
func ParseLocalStatus(r io.Reader) ([]Record, error) {
	lines := bufio.NewScanner(r)
	lines.Split(wholeLines)
	separator := ""
	var records []Record
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		switch {
		case number == 1 && line == statusV1:
			separator = ":"
		case number == 1 && line == statusV2:
			separator = "|"
		case number == 1:
			return nil, fmt.Errorf("%w: not a status file of offlineimap", ErrFormat)
		default:
			fields := strings.SplitN(line, separator, 4)
			uid, err := strconv.ParseInt(fields[0], 10, 64)
			if err != nil || len(fields) < 2 {
				return nil, fmt.Errorf("line %d: %w: %.60q", number, ErrFormat, line)
			}
			if record, ok := StatusRow(uid, fields[1]); ok {
				records = append(records, record)
			}
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if separator == "" {
		return nil, fmt.Errorf("%w: it is empty", ErrFormat)
	}
	return records, nil
}

// StatusRow makes a record of a row of the table status: offlineimap calls a
// file by the server's UID. Negative numbers, of uploads that had no answer, are
// no messages.
func StatusRow(uid int64, letters string) (Record, bool) {
	if uid <= 0 || uid > int64(mailbox.MaxUID) {
		return Record{}, false
	}
	return Record{UID: mailbox.UID(uid), Number: uint32(uid), Flags: flagsOf(letters)}, true
}

// offlineimapNumber returns the Numbering of a folder that offlineimap calls by
// one of names: a file that was copied from another folder names that one
// behind FMD5, and is a new message here.
func offlineimapNumber(names ...string) Numbering {
	var sums []string
	for _, name := range names {
		sum := md5.Sum([]byte(name))
		sums = append(sums, ",FMD5="+hex.EncodeToString(sum[:]))
	}
	return func(key mailbox.Key) uint32 {
		for _, sum := range sums {
			if strings.Contains(string(key), sum) {
				return numberAfter(string(key), ",U=")
			}
		}
		return 0
	}
}
