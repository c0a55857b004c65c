package state

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"
)

// dial opens one connection to a database file, or to one in memory for "".
// Query is what SQLite's URI takes, such as "mode=ro".
func (s *Store) dial(ctx context.Context, path, query string) error {
	name := ":memory:"
	if path != "" {
		path = filepath.ToSlash(path)
		if !strings.HasPrefix(path, "/") {
			path = "/" + path
		}
		name = "file://" + (&url.URL{Path: path}).EscapedPath() + "?" + query
	}
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return errors.Join(fault(err, true), db.Close())
	}
	s.db, s.conn, s.statements = db, conn, map[string]*sql.Stmt{}
	// The checks cost little beside the reading, and catch what would
	// otherwise be found while writing.
	for _, pragma := range []string{"busy_timeout = 10000", "cell_size_check = ON", "synchronous = FULL", "temp_store = MEMORY"} {
		if _, err := conn.ExecContext(ctx, "PRAGMA "+pragma); err != nil {
			return errors.Join(fault(err, true), s.hangUp())
		}
	}
	return nil
}

// hangUp closes the database.
func (s *Store) hangUp() error {
	if s.db == nil {
		return nil
	}
	var errs []error
	for _, statement := range s.statements {
		errs = append(errs, statement.Close())
	}
	errs = append(errs, s.conn.Close(), s.db.Close())
	s.db, s.conn, s.statements = nil, nil, nil
	return fault(errors.Join(errs...), false)
}

// exec runs a statement that is prepared once.
func (s *Store) exec(ctx context.Context, query string, args ...any) error {
	statement, err := s.prepare(ctx, query)
	if err != nil {
		return err
	}
	_, err = statement.ExecContext(ctx, args...)
	return fault(err, false)
}

func (s *Store) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	if statement := s.statements[query]; statement != nil {
		return statement, nil
	}
	statement, err := s.conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, fault(err, true)
	}
	s.statements[query] = statement
	return statement, nil
}

// rows hands over the rows of a query, each in the same slice: int64, string,
// []byte, float64 or nil. It goes past database/sql, whose conversions cost
// more than SQLite itself. An error of each ends it and is returned.
func (s *Store) rows(ctx context.Context, query string, args []any, each func(row []any) error) error {
	if s.conn == nil {
		return errClosed
	}
	values := make([]driver.NamedValue, len(args))
	for i, arg := range args {
		values[i] = driver.NamedValue{Ordinal: i + 1, Value: arg}
	}
	err := s.conn.Raw(func(conn any) error {
		queryer, is := conn.(driver.QueryerContext)
		if !is {
			return fmt.Errorf("the SQLite driver has no QueryContext")
		}
		rows, err := queryer.QueryContext(ctx, query, values)
		if err != nil {
			return err
		}
		defer rows.Close()
		row := make([]driver.Value, len(rows.Columns()))
		plain := make([]any, len(row))
		for {
			if err := rows.Next(row); err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
			for i, value := range row {
				plain[i] = value
			}
			if err := each(plain); err != nil {
				return err
			}
		}
	})
	return fault(err, true)
}

// write runs fn in a transaction and makes it durable. The root that fn gets
// is stored with it; changed says that the base changed, which raises the
// generation. A transaction is not interrupted: it is short.
func (s *Store) write(ctx context.Context, fn func(ctx context.Context, r *root) (changed bool, err error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.db == nil {
		return errClosed
	}
	if s.options.ReadOnly {
		return ErrReadOnly
	}
	ctx = context.WithoutCancel(ctx)
	if err := s.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	next := s.root
	changed, err := fn(ctx, &next)
	if changed {
		next.generation++
	}
	if err == nil && next != s.root {
		err = s.writeRoot(ctx, next)
	}
	if err == nil {
		err = s.exec(ctx, "COMMIT")
	}
	if err != nil {
		// SQLite may have rolled back itself; then this fails and is fine.
		_ = s.exec(ctx, "ROLLBACK")
		return err
	}
	s.root = next
	if changed && s.beside != nil {
		// The transaction is durable: a number left behind only notices less.
		if err := s.beside.write(next.generation); err != nil {
			s.options.Log.Warn("state generation not written", "error", err)
		}
	}
	return nil
}
