package state

import (
	"context"
	"errors"
)

// ReadTable runs a query on another program's SQLite database and hands over its
// rows: int64, string, []byte, float64 or nil, in a slice that is used again.
// Nothing is written, not even a lock: the other program must not be at work.
func ReadTable(ctx context.Context, path, query string, each func(row []any) error) error {
	s := &Store{}
	if err := s.dial(ctx, path, "mode=ro&immutable=1"); err != nil {
		return err
	}
	return errors.Join(s.rows(ctx, query, nil, each), s.hangUp())
}
