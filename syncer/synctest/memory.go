package synctest

import (
	"errors"
	"io"
	"log"
	"net"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// Memory starts go-imap's in-memory server for one test.
func Memory(tb testing.TB) *Server {
	tb.Helper()
	s, err := StartMemory()
	return started(tb, s, err)
}

// StartMemory starts go-imap's in-memory server on loopback, without TLS. It
// has neither CONDSTORE nor LITERAL+, which makes it the plainest server here.
func StartMemory() (*Server, error) {
	backend := imapmemserver.New()
	server := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return backend.NewSession(), nil, nil
		},
		Caps:         imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapNamespace: {}, imap.CapUIDPlus: {}, imap.CapUnselect: {}},
		Logger:       log.New(io.Discard, "", 0),
		InsecureAuth: true,
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	return &Server{
		Product: "memory", Addr: listener.Addr().String(), Separator: '/',
		addUser: func(name string) error {
			user := imapmemserver.NewUser(name, Password)
			backend.AddUser(user)
			return user.Create("INBOX", nil)
		},
		stop: func() error {
			err := server.Close()
			if serveErr := <-served; serveErr != nil && !errors.Is(serveErr, net.ErrClosed) && err == nil {
				// Serve reports its own closing as an error without a type.
				return nil
			}
			return err
		},
	}, nil
}
