package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// The one user of a demoServer.
const (
	demoUser     = "demo"
	demoPassword = "demo"
)

// demoServer is an IMAP server in memory, on this machine only.
type demoServer struct {
	addr   string
	server *imapserver.Server
	done   chan error
}

func startDemoServer() (*demoServer, error) {
	user := imapmemserver.NewUser(demoUser, demoPassword)
	if err := user.Create("INBOX", nil); err != nil {
		return nil, err
	}
	memory := imapmemserver.New()
	memory.AddUser(user)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &demoServer{addr: listener.Addr().String(), done: make(chan error, 1)}
	s.server = imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return memory.NewSession(), nil, nil
		},
		Caps: imap.CapSet{
			imap.CapIMAP4rev1: {}, imap.CapUIDPlus: {}, imap.CapESearch: {}, imap.CapListExtended: {},
			imap.CapListStatus: {}, imap.CapMove: {}, imap.CapNamespace: {}, imap.CapLiteralPlus: {},
		},
		Logger:       log.New(io.Discard, "", 0),
		InsecureAuth: true,
	})
	go func() { s.done <- s.server.Serve(listener) }()
	return s, nil
}

// url is the account's.
func (s *demoServer) url() string { return "imap+plain://" + demoUser + "@" + s.addr }

// Close ends the server and all its connections.
func (s *demoServer) Close() error {
	err := s.server.Close()
	<-s.done
	return err
}

// client is another program that uses the account, as a phone would.
func (s *demoServer) client() (*imapclient.Client, error) {
	c, err := imapclient.DialInsecure(s.addr, nil)
	if err != nil {
		return nil, err
	}
	if err := c.Login(demoUser, demoPassword).Wait(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// appendMessage puts a message into a mailbox.
func appendMessage(c *imapclient.Client, name string, octets []byte, date time.Time, flags ...imap.Flag) error {
	command := c.Append(name, int64(len(octets)), &imap.AppendOptions{Flags: flags, Time: date})
	if _, err := io.Copy(command, bytes.NewReader(octets)); err != nil {
		return err
	}
	if err := command.Close(); err != nil {
		return err
	}
	if _, err := command.Wait(); err != nil {
		return fmt.Errorf("append to %s: %w", name, err)
	}
	return nil
}

// changeFlags adds or removes flags of one message.
func changeFlags(c *imapclient.Client, name string, uid imap.UID, op imap.StoreFlagsOp, flags ...imap.Flag) error {
	if _, err := c.Select(name, nil).Wait(); err != nil {
		return err
	}
	return c.Store(imap.UIDSetNum(uid), &imap.StoreFlags{Op: op, Flags: flags, Silent: true}, nil).Close()
}

// remoteMessages reads a mailbox: all messages with their flags and octets.
func remoteMessages(c *imapclient.Client, name string) ([]*imapclient.FetchMessageBuffer, error) {
	selected, err := c.Select(name, &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil || selected.NumMessages == 0 {
		return nil, err
	}
	return c.Fetch(imap.UIDSet{imap.UIDRange{Start: 1, Stop: 0}}, &imap.FetchOptions{
		UID: true, Flags: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}},
	}).Collect()
}

// mailboxNames lists the mailboxes.
func mailboxNames(c *imapclient.Client) ([]string, error) {
	listed, err := c.List("", "*", nil).Collect()
	names := make([]string, len(listed))
	for i, data := range listed {
		names[i] = data.Mailbox
	}
	return names, err
}
