package state

import (
	"encoding/binary"
	"hash/crc64"
)

var crcTable = crc64.MakeTable(crc64.ECMA)

// checksum runs over rows as SQLite holds them: a CRC finds every change of up
// to 64 neighbouring bits, and 64 bits leave no room for luck elsewhere.
type checksum struct {
	value  uint64
	buffer []byte
}

// add continues the checksum with a row's columns, each with its type and its
// length, so that no octet can slip from one column into the next.
func (c *checksum) add(row []any) {
	b := c.buffer[:0]
	for _, value := range row {
		switch v := value.(type) {
		case int64:
			b = binary.BigEndian.AppendUint64(append(b, 'i'), uint64(v))
		case string:
			b = binary.BigEndian.AppendUint64(append(b, 't'), uint64(len(v)))
			b = append(b, v...)
		case []byte:
			b = binary.BigEndian.AppendUint64(append(b, 'b'), uint64(len(v)))
			b = append(b, v...)
		case nil:
			b = append(b, 'n')
		default:
			// A float: nothing here ever writes one.
			b = append(b, 'x')
		}
	}
	c.buffer = b
	c.value = crc64.Update(c.value, crcTable, b)
}

// of is the checksum of one row. NULLs at its end do not count, so that a
// column can be added behind the others, and is NULL in older rows.
func (c *checksum) of(row []any) uint64 {
	for len(row) > 0 && row[len(row)-1] == nil {
		row = row[:len(row)-1]
	}
	c.value = 0
	c.add(row)
	return c.value
}

// seal puts a row's checksum into its last column.
func (c *checksum) seal(row []any) uint64 {
	last := len(row) - 1
	sum := c.of(row[:last])
	row[last] = int64(sum)
	return sum
}

// verify returns the checksum in a row's last column, and whether it is right.
func (c *checksum) verify(row []any) (uint64, bool) {
	last := len(row) - 1
	sum := c.of(row[:last])
	stored, isNumber := row[last].(int64)
	return sum, isNumber && uint64(stored) == sum
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
