package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// pingService is a script's monitoring service.
type pingService struct {
	mu    sync.Mutex
	heard []string
	mode  string // "fine", "fail" or "hang"
	url   string
}

// ServeHTTP writes down what it heard, and answers as it was told to.
func (s *pingService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.heard = append(s.heard, strings.TrimSpace(r.URL.Path+" "+string(body)))
	mode := s.mode
	s.mu.Unlock()
	switch mode {
	case "fail":
		w.WriteHeader(http.StatusInternalServerError)
	case "hang":
		<-r.Context().Done()
	}
}

func scriptPings(ts *testscript.TestScript, _ bool, args []string) {
	s := ts.Value("pings").(*pingService)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(args) == 0 {
		for _, line := range s.heard {
			fmt.Fprintln(ts.Stdout(), line)
		}
		fmt.Fprint(ts.Stdout()) // even if there is none
		s.heard = nil
		return
	}
	s.mode = args[0]
	if s.url == "" {
		server := httptest.NewServer(s)
		ts.Defer(server.CloseClientConnections)
		s.url = server.URL
		ts.Setenv("PING_URL", s.url)
	}
}
