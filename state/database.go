package state

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
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
	s.db, s.conn, s.statements = db, conn, map[string]driver.Stmt{}
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
	errs = append(errs, s.conn.Raw(func(any) error {
		for _, statement := range s.statements {
			errs = append(errs, statement.Close())
		}
		return nil
	}), s.conn.Close(), s.db.Close())
	s.db, s.conn, s.statements = nil, nil, nil
	return fault(errors.Join(errs...), false)
}

// errDriver: the driver is not the one that this package was written for.
var errDriver = errors.New("the SQLite driver lacks what its interface promises")

// exec runs a statement that is prepared once. Like rows it goes past
// database/sql, whose conversions cost more than SQLite itself: args are int64,
// string, []byte or nil.
func (s *Store) exec(ctx context.Context, query string, args ...any) error {
	return s.onStatement(ctx, query, false, func(statement driver.Stmt) error {
		execer, is := statement.(driver.StmtExecContext)
		if !is {
			return errDriver
		}
		_, err := execer.ExecContext(ctx, s.named(args))
		return err
	})
}

// rows hands over the rows of a query, each in the same slice: int64, string,
// []byte, float64 or nil. An error of each ends it and is returned.
func (s *Store) rows(ctx context.Context, query string, args []any, each func(row []any) error) error {
	return s.onStatement(ctx, query, true, func(statement driver.Stmt) error {
		queryer, is := statement.(driver.StmtQueryContext)
		if !is {
			return errDriver
		}
		rows, err := queryer.QueryContext(ctx, s.named(args))
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
}

// onStatement does something with a query that is prepared once.
func (s *Store) onStatement(ctx context.Context, query string, reading bool, do func(driver.Stmt) error) error {
	if s.conn == nil {
		return errClosed
	}
	return fault(s.conn.Raw(func(conn any) error {
		if statement := s.statements[query]; statement != nil {
			return do(statement)
		}
		preparer, is := conn.(driver.ConnPrepareContext)
		if !is {
			return errDriver
		}
		statement, err := preparer.PrepareContext(ctx, query)
		if err != nil {
			return fault(err, true)
		}
		s.statements[query] = statement
		return do(statement)
	}), reading)
}

// named is args as a driver wants them, good until it is called again.
func (s *Store) named(args []any) []driver.NamedValue {
	s.args = s.args[:0]
	for i, arg := range args {
		s.args = append(s.args, driver.NamedValue{Ordinal: i + 1, Value: arg})
	}
	return s.args
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
	changed := false
	err := s.transact(ctx, func(next *root) (err error) {
		if changed, err = fn(ctx, next); changed {
			next.generation++
		}
		return err
	})
	if err == nil && changed && s.beside != nil {
		// The transaction is durable: a number left behind only notices less.
		if err := s.beside.write(s.root.generation); err != nil {
			s.options.Log.Warn("state generation not written", "error", err)
		}
	}
	return err
}

// transact runs fn in a transaction that stores the root which fn leaves.
func (s *Store) transact(ctx context.Context, fn func(next *root) error) error {
	if err := s.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	next := s.root
	err := fn(&next)
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
	return nil
}
