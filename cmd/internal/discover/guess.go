package discover

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"mailferry/cmd/internal/config"
)

// guesses are the names that servers usually have, the likeliest first.
var guesses = []struct {
	scheme, prefix string
	port           int
}{
	{"imaps", "imap.", 993}, {"imaps", "mail.", 993}, {"imaps", "", 993},
	{"pop3s", "pop.", 995}, {"pop3s", "pop3.", 995}, {"pop3s", "mail.", 995},
}

// fromNames tries names, and believes those that answer with a good certificate
// and a mail server's greeting. Nothing is sent to them.
func (f Finder) fromNames(ctx context.Context, address Address) []Finding {
	ctx, cancel := context.WithTimeout(ctx, question)
	defer cancel()
	type answer struct {
		i     int
		found Finding
		err   error
	}
	answers := make(chan answer, len(guesses))
	for i, guess := range guesses {
		go func() {
			s, ok := server(guess.scheme, address.Text, guess.prefix+address.Domain, guess.port)
			err := fmt.Errorf("%s: no host", guess.prefix)
			if ok {
				err = f.greeting(ctx, s)
			}
			answers <- answer{i, Finding{Server: s, Source: "a guess: a mail server answers there"}, err}
		}()
	}
	byGuess := make([]*Finding, len(guesses))
	for range guesses {
		if got := <-answers; got.err == nil {
			byGuess[got.i] = &got.found
		}
	}
	var list []Finding
	for _, found := range byGuess {
		if found != nil {
			list = append(list, *found)
		}
	}
	return list
}

// greeting is nil if a server shows a good certificate and greets.
func (f Finder) greeting(ctx context.Context, s config.Server) error {
	dial := f.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	base, err := dial(ctx, "tcp", s.Addr())
	if err != nil {
		return err
	}
	defer base.Close()
	stop := context.AfterFunc(ctx, func() { base.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	checks := &tls.Config{}
	if f.TLS != nil {
		checks = f.TLS.Clone()
	}
	checks.ServerName, checks.MinVersion = s.Host, tls.VersionTLS12
	stream := tls.Client(base, checks)
	line, err := bufio.NewReader(io.LimitReader(stream, 1024)).ReadString('\n')
	if err != nil {
		return err
	}
	if want := map[string]string{"imap": "* OK", "pop3": "+OK"}[s.Protocol]; !strings.HasPrefix(strings.ToUpper(line), want) {
		return fmt.Errorf("%s: no greeting of a mail server", s.Host)
	}
	return nil
}
