package oauth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"mailferry/syncer/mailbox"
)

// patience is how long the user has for signing in.
const patience = 15 * time.Minute

// errPatience ends the wait.
var errPatience = fmt.Errorf("%w: nobody signed in within %v", mailbox.ErrAuth, patience)

// SignInByBrowser lets the user sign in on a page that is handed to show, and
// waits on a loopback port of the system's choice for where the page leads. An
// address that comes from pasted is taken for the same: the browser may run on
// another machine. Errors are those of Renew, or ctx's. (RFC 8252, section 7.3)
func (c Client) SignInByBrowser(ctx context.Context, show func(page string), pasted <-chan string) (Token, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errPatience)
	defer cancel()
	if c.AuthURL == "" {
		return Token{}, fmt.Errorf("sign in by browser: no oauth_auth_url is known: %w", errors.ErrUnsupported)
	}
	landing, err := c.land()
	if err != nil {
		return Token{}, err
	}
	defer landing.close()
	verifier := oauth2.GenerateVerifier()
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(verifier)}
	for name, value := range c.Extra {
		options = append(options, oauth2.SetAuthURLParam(name, value))
	}
	config := oauth2.Config{ClientID: c.ID, RedirectURL: landing.redirect, Scopes: c.Scopes, Endpoint: oauth2.Endpoint{AuthURL: c.AuthURL}}
	show(config.AuthCodeURL(landing.state, options...))
	code, err := landing.wait(ctx, pasted)
	if err != nil {
		return Token{}, err
	}
	hide := []string{code, verifier}
	return c.exchange(ctx, "exchange the code", landing.redirect, &hide, func(ctx context.Context, config *oauth2.Config) (*oauth2.Token, error) {
		return config.Exchange(ctx, code, oauth2.VerifierOption(verifier))
	})
}

// landing waits for the browser to come back.
type landing struct {
	redirect, state string
	arrived         chan arrival
	servers         []*http.Server
}

// arrival is what the browser brought: a code, or why there is none.
type arrival struct {
	code string
	err  error
}

// land listens on loopback only.
func (c Client) land() (*landing, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the browser: %w", err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	host := "127.0.0.1"
	listeners := []net.Listener{listener}
	if c.RedirectHost == "localhost" {
		host = "localhost"
		// A browser may take the name for either address.
		if second, err := net.Listen("tcp6", net.JoinHostPort("::1", strconv.Itoa(port))); err == nil {
			listeners = append(listeners, second)
		}
	}
	l := &landing{
		redirect: "http://" + net.JoinHostPort(host, strconv.Itoa(port)),
		state:    rand.Text(),
		arrived:  make(chan arrival, 1),
	}
	for _, listener := range listeners {
		server := &http.Server{Handler: l, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10}
		l.servers = append(l.servers, server)
		go func() { _ = server.Serve(listener) }() // until close
	}
	return l, nil
}

// close lets the last page out.
func (l *landing) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, server := range l.servers {
		if server.Shutdown(ctx) != nil {
			server.Close()
		}
	}
}

func (l *landing) wait(ctx context.Context, pasted <-chan string) (string, error) {
	for {
		select {
		case a := <-l.arrived:
			return a.code, a.err
		case address, open := <-pasted:
			if !open {
				pasted = nil
				continue
			}
			if u, err := url.Parse(strings.TrimSpace(address)); err == nil {
				if a, ok := l.read(u.Query()); ok {
					return a.code, a.err
				}
			}
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

// read takes an answer apart; ok is false for one that is not to our question:
// it changes nothing, and the wait goes on. (RFC 6749, section 10.12)
func (l *landing) read(query url.Values) (a arrival, ok bool) {
	if subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(l.state)) != 1 {
		return arrival{}, false
	}
	code := query.Get("code")
	if refused := query.Get("error"); refused != "" {
		secrets := []string{code, l.state}
		return arrival{err: &Refusal{Doing: "sign in", Code: scrubbed(refused, secrets), Description: scrubbed(query.Get("error_description"), secrets)}}, true
	}
	return arrival{code: code}, code != ""
}

// ServeHTTP answers the browser. Nothing of what it brought is shown.
func (l *landing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	w.Header().Set("Connection", "close")
	if r.Method != http.MethodGet || r.URL.Path != "/" {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, page("Nothing is here."))
		return
	}
	a, ok := l.read(r.URL.Query())
	text := "mailferry has the answer. You can close this page and go back to the terminal."
	switch {
	case !ok:
		w.WriteHeader(http.StatusBadRequest)
		text = "This is not the answer that mailferry waits for. Begin again with the page that it named last."
	case a.err != nil:
		text = "You are not signed in. The terminal says why."
	}
	if ok {
		select {
		case l.arrived <- a:
		default: // the page was loaded again
		}
	}
	_, _ = io.WriteString(w, page(text))
}

func page(text string) string {
	return `<!doctype html><html lang="en"><meta charset="utf-8"><title>mailferry</title>` +
		`<body style="font:1.2em/1.5 sans-serif;max-width:32em;margin:4em auto;padding:0 1em"><p>` + text + "</p></body></html>\n"
}
