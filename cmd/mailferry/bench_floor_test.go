//go:build linux

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"mailferry/syncer/synctest"
)

// rawClient speaks just enough IMAP to fetch everything.
type rawClient struct {
	net.Conn
	in *bufio.Reader
}

func dialRaw(addr, user string) (*rawClient, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &rawClient{conn, bufio.NewReaderSize(conn, 256<<10)}
	if _, err := c.in.ReadSlice('\n'); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	err = c.command("LOGIN "+user+" "+synctest.Password, func(line []byte) error { return nil })
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return c, nil
}

// command sends a command and hands over each untagged line. A line that ends
// in a literal is followed by its octets, which each has to read.
func (c *rawClient) command(text string, each func(line []byte) error) error {
	if _, err := fmt.Fprintf(c, "f %s\r\n", text); err != nil {
		return err
	}
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if bytes.HasPrefix(line, []byte("f ")) {
			if !bytes.HasPrefix(line, []byte("f OK")) {
				return fmt.Errorf("%s: %s", text, line)
			}
			return nil
		}
		if err := each(line); err != nil {
			return err
		}
	}
}

// readAll is the least that a download can cost: on several connections, one
// FETCH for each mailbox, literals cut out and dropped or, with a folder,
// written to files that one barrier at the end makes durable. It returns how
// many messages there were.
func readAll(addr, user string, connections int, dir string) (int, error) {
	names, err := listRaw(addr, user)
	if err != nil {
		return 0, err
	}
	work := make(chan string, len(names))
	for _, name := range names {
		work <- name
	}
	close(work)
	var group sync.WaitGroup
	var count atomic.Int64
	errs := make([]error, connections)
	for i := range connections {
		group.Go(func() {
			var c *rawClient
			if c, errs[i] = dialRaw(addr, user); errs[i] != nil {
				return
			}
			defer c.Close()
			for name := range work {
				if errs[i] = c.readMailbox(name, dir, &count); errs[i] != nil {
					return
				}
			}
		})
	}
	group.Wait()
	err = errors.Join(errs...)
	if err == nil && dir != "" {
		err = barrier(dir)
	}
	return int(count.Load()), err
}

func listRaw(addr, user string) ([]string, error) {
	c, err := dialRaw(addr, user)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var names []string
	err = c.command(`LIST "" *`, func(line []byte) error {
		_, name, _ := strings.Cut(string(line), `"/" `)
		names = append(names, strings.Trim(strings.TrimSpace(name), `"`))
		return nil
	})
	return names, err
}

func (c *rawClient) readMailbox(name, dir string, count *atomic.Int64) error {
	if dir != "" {
		dir = filepath.Join(dir, name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	isEmpty := false
	err := c.command(`EXAMINE "`+name+`"`, func(line []byte) error {
		isEmpty = isEmpty || bytes.HasPrefix(line, []byte("* 0 EXISTS"))
		return nil
	})
	if err != nil || isEmpty {
		return err
	}
	return c.command("UID FETCH 1:* (UID FLAGS INTERNALDATE BODY.PEEK[])", func(line []byte) error {
		start := bytes.LastIndexByte(line, '{')
		if start < 0 || !bytes.HasSuffix(line, []byte("}\r\n")) {
			return nil
		}
		size, err := strconv.ParseInt(string(line[start+1:len(line)-3]), 10, 64)
		if err != nil {
			return err
		}
		number := count.Add(1)
		if dir == "" {
			_, err = io.CopyN(io.Discard, c.in, size)
			return err
		}
		return c.writeRaw(filepath.Join(dir, strconv.FormatInt(number, 10)), size)
	})
}

// writeRaw gives a file its final name only after its octets, as a Maildir needs.
func (c *rawClient) writeRaw(path string, size int64) error {
	file, err := os.OpenFile(path+".tmp", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.CopyN(file, c.in, size)
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

// barrier makes durable what is in the system's cache.
func barrier(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(folder.Fd())), folder.Close())
}
