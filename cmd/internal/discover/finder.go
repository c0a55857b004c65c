package discover

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// patience bounds the whole search, and each question.
	patience = 12 * time.Second
	question = 6 * time.Second
	// database is Mozilla's collection of providers' configurations.
	database = "https://autoconfig.thunderbird.net/v1.1/"
)

// ErrNothing: no source knows a server.
var ErrNothing = errors.New("no mail server was found")

// Resolver is what is asked of DNS; *net.Resolver is one.
type Resolver interface {
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
}

// Finder asks the sources. The zero value asks those of the real world.
type Finder struct {
	// Client fetches; nil is one that speaks HTTPS only. Whichever it is, it is
	// given https URLs only, and follows only such redirects.
	Client *http.Client
	// Resolver; nil is the system's.
	Resolver Resolver
	// Dial connects to servers whose names are guessed; nil is TCP.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// TLS is what such a server's certificate is checked with; nil is the
	// system's authorities.
	TLS *tls.Config
}

// source is one of those that are asked.
type source func(ctx context.Context, address Address) []Finding

// Lookup returns what the table knows of an address, without asking anybody.
func Lookup(address Address) []Finding {
	var found []Finding
	p, places, _ := ByDomain(address.Domain)
	for _, place := range places {
		if f, ok := known(p, place, address, "known to mailferry: "+p.Name); ok {
			f.IsTrusted = true
			found = append(found, f)
		}
	}
	return found
}

// Find returns what is found about an address, the best first. The table is
// enough where it knows the domain: nobody else is asked then. So is the domain's
// own configuration file. It returns ErrNothing if there is nothing.
func (f Finder) Find(ctx context.Context, address Address) ([]Finding, error) {
	if found := Lookup(address); len(found) > 0 {
		return found, nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	// In the order of how much they are to be believed.
	sources := []source{f.fromDomain, f.fromExchangers, f.fromDatabase, f.fromServices, f.fromNames}
	answers := make([][]Finding, len(sources))
	var asked sync.WaitGroup
	for i, ask := range sources {
		asked.Go(func() {
			if answers[i] = ask(ctx, address); i == 0 && len(answers[0]) > 0 {
				cancel() // the domain itself has spoken
			}
		})
	}
	asked.Wait()
	if len(answers[0]) > 0 {
		answers = answers[:1]
	}
	found := merge(answers, address)
	if len(found) == 0 {
		return nil, fmt.Errorf("%s: %w", address.Domain, ErrNothing)
	}
	return found[:min(len(found), maxFindings)], nil
}

// maxFindings is how many servers a person can choose from.
const maxFindings = 6

// merge puts the answers into one list, each server once, with what the table
// knows of it.
func merge(answers [][]Finding, address Address) []Finding {
	var found []Finding
	seen := map[string]bool{}
	for _, list := range answers {
		for _, f := range list {
			if seen[f.Server.String()] {
				continue
			}
			seen[f.Server.String()] = true
			// A server with a certificate for a name in the domain is the domain's.
			f.IsTrusted = f.IsTrusted || isWithin(f.Server.Host, address.Domain)
			if p, ok := ByHost(f.Server.Host); ok && f.Provider.ID == "" {
				f.Provider, f.Login = p, p.Login
			}
			found = append(found, f)
		}
	}
	return found
}
