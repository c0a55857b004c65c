package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
)

// The browser is on another machine: it is led to a page that does not load,
// and the user pastes that page's address.
func TestSignInOnATerminalTakesAPastedAddress(t *testing.T) {
	w := newOAuthWorld(t, "")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	opened := filepath.Join(w.home, "opened")
	browser := filepath.Join(w.home, "browser")
	if err := os.WriteFile(browser, []byte("#!/bin/sh\necho \"$1\" >"+opened+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	w.env = append(w.env, "BROWSER="+browser+":other")
	cmd := w.command(ctx, "auth", "login", "home")
	terminal, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	said := &overheard{}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buffer := make([]byte, 4096)
		for {
			n, err := terminal.Read(buffer)
			_, _ = said.Write(buffer[:n])
			if err != nil {
				return
			}
		}
	}()
	page := awaitPage(ctx, t, said)
	elsewhere := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := elsewhere.Get(page)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if _, err := terminal.WriteString(answer.Header.Get("Location") + "\n"); err != nil {
		t.Fatal(err)
	}
	<-ended
	if err := cmd.Wait(); err != nil || !strings.Contains(said.text(), "Signed in.") {
		t.Errorf("%v\n%s", err, said.text())
	}
	if text, err := os.ReadFile(opened); err != nil || strings.TrimSpace(string(text)) != page {
		t.Errorf("the browser was given %q, %v; want %q", text, err, page)
	}
	w.does("backup", "home").exits(exitDone)
}

func awaitPage(ctx context.Context, t *testing.T, said *overheard) string {
	t.Helper()
	for {
		if page := pageAddress.FindStringSubmatch(strings.ReplaceAll(said.text(), "\r", "")); page != nil && strings.Contains(said.text(), "press Enter") {
			return page[1]
		}
		select {
		case <-ctx.Done():
			t.Fatalf("no page is named\n%s", said.text())
		case <-time.After(5 * time.Millisecond):
		}
	}
}
