package wire

import (
	"fmt"
	"strings"
	"time"

	"mailferry/syncer/mailbox"
)

var months = [...]string{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}

// parseDate reads "dd-Mon-yyyy hh:mm:ss +zzzz"; a day below 10 has a space or
// nothing before it. What is not such a date, or not in the calendar, is
// unknown. (RFC 9051, date-time)
func parseDate(b []byte) mailbox.Date {
	if len(b) == 25 && b[1] == '-' {
		b = append([]byte{' '}, b...)
	}
	if len(b) != 26 || b[2] != '-' || b[6] != '-' || b[11] != ' ' || b[14] != ':' || b[17] != ':' || b[20] != ' ' {
		return mailbox.Date{}
	}
	day, month := digits(b[0:2]), 0
	if b[0] == ' ' {
		day = digits(b[1:2])
	}
	for i, name := range months {
		if strings.EqualFold(string(b[3:6]), name) {
			month = i + 1
			break
		}
	}
	year, hour, minute, second := digits(b[7:11]), digits(b[12:14]), digits(b[15:17]), digits(b[18:20])
	zoneHour, zoneMinute := digits(b[22:24]), digits(b[24:26])
	for _, n := range [...]int{day, year, hour, minute, second, zoneHour, zoneMinute} {
		if n < 0 {
			return mailbox.Date{}
		}
	}
	if month == 0 || hour > 23 || minute > 59 || second > 59 || zoneHour > 23 || zoneMinute > 59 {
		return mailbox.Date{}
	}
	offset := zoneHour*3600 + zoneMinute*60
	switch b[21] {
	case '+':
	case '-':
		offset = -offset
	default:
		return mailbox.Date{}
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	if t.Day() != day || t.Month() != time.Month(month) {
		// The 31st of February.
		return mailbox.Date{}
	}
	return mailbox.Date{Unix: t.Unix() - int64(offset), Offset: int32(offset), Known: true}
}

// digits reads decimal digits; -1 if there is anything else.
func digits(b []byte) int {
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// formatDate writes a date as APPEND wants it, quoted; "" for one that is
// unknown or has no four-digit year. A zone that has seconds becomes UTC.
func formatDate(d mailbox.Date) string {
	if !d.Known {
		return ""
	}
	if d.Offset%60 != 0 || d.Offset <= -24*3600 || d.Offset >= 24*3600 {
		d.Offset = 0
	}
	t := time.Unix(d.Unix+int64(d.Offset), 0).UTC()
	if t.Year() < 0 || t.Year() > 9999 {
		return ""
	}
	sign, zone := '+', d.Offset/60
	if zone < 0 {
		sign, zone = '-', -zone
	}
	return fmt.Sprintf(`"%2d-%s-%04d %02d:%02d:%02d %c%02d%02d"`, t.Day(), months[t.Month()-1], t.Year(),
		t.Hour(), t.Minute(), t.Second(), sign, zone/60, zone%60)
}
