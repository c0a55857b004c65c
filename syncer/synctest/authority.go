package synctest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Canary is in every token, code and secret that an Authority issues or knows:
// what shows it to anybody leaks.
const Canary = "CANARY"

// Authority is a scripted OAuth2 authorization server, with the pages of a
// browser left out: whoever asks /auth has signed in as User. Fields may be
// changed while Lock is held.
type Authority struct {
	sync.Mutex
	// URL is its address.
	URL string
	// User is who signs in.
	User string
	// ClientID and ClientSecret are the only client's; "" for a public one.
	ClientID, ClientSecret string
	// Lifetime is that of access tokens. Lenient says that a refresh token
	// stays good when a new one was issued; Steady that none is issued.
	Lifetime        time.Duration
	Lenient, Steady bool
	// LoginLifetime is told as that of refresh tokens; 0 is not told.
	LoginLifetime time.Duration
	// NoRefresh issues access tokens alone.
	NoRefresh bool
	// Deny is an error that ends a sign-in, such as "access_denied".
	Deny string
	// DeviceScript are the answers to a device that polls, before the token.
	DeviceScript []string
	// DeviceInterval and DeviceExpires are told in seconds.
	DeviceInterval, DeviceExpires int
	// OnRenew runs after a refresh token was taken and before the answer.
	OnRenew func()
	// Broken answers every request for a token with this status; 0: no.
	Broken int

	// Renewals and Polls count requests.
	Renewals, Polls int
	// Last is the last request to /token, LastAuth the last to /auth.
	Last, LastAuth url.Values

	issued  int
	codes   map[string]url.Values
	access  map[string]time.Time // until when
	refresh map[string]bool
}

// StartAuthority starts one on loopback. Its tokens live for an hour, and each
// refresh token is taken once.
func StartAuthority(tb testing.TB) *Authority {
	tb.Helper()
	a := &Authority{
		User: "user", ClientID: "client", Lifetime: time.Hour, DeviceInterval: 1, DeviceExpires: 600,
		codes: map[string]url.Values{}, access: map[string]time.Time{}, refresh: map[string]bool{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /auth", a.authorize)
	mux.HandleFunc("POST /token", a.token)
	mux.HandleFunc("POST /device", a.device)
	mux.HandleFunc("POST /introspect", a.introspect)
	server := httptest.NewServer(mux)
	tb.Cleanup(server.Close)
	a.URL = server.URL
	return a
}

// Keys are the configuration's lines for an account of this authority.
func (a *Authority) Keys() string {
	return fmt.Sprintf("oauth_client_id = %q\noauth_auth_url = %q\noauth_token_url = %q\noauth_device_url = %q\noauth_scopes = [\"mail\"]\n",
		a.ClientID, a.URL+"/auth", a.URL+"/token", a.URL+"/device")
}

// Revoke voids all access tokens, and the refresh tokens too if logins.
func (a *Authority) Revoke(logins bool) {
	a.Lock()
	defer a.Unlock()
	clear(a.access)
	if logins {
		clear(a.refresh)
	}
}

// Expire ends all access tokens a moment ago.
func (a *Authority) Expire() {
	a.Lock()
	defer a.Unlock()
	for token := range a.access {
		a.access[token] = time.Now().Add(-time.Second)
	}
}

func (a *Authority) mint(kind string) string {
	a.issued++
	return fmt.Sprintf("%s-%s-%d-%s", Canary, kind, a.issued, rand.Text())
}

// authorize sends the browser back. (RFC 6749, section 4.1.2)
func (a *Authority) authorize(w http.ResponseWriter, r *http.Request) {
	a.Lock()
	defer a.Unlock()
	query := r.URL.Query()
	a.LastAuth = query
	if query.Get("client_id") != a.ClientID || query.Get("response_type") != "code" || query.Get("code_challenge_method") != "S256" {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	answer := url.Values{"state": {query.Get("state")}}
	if a.Deny != "" {
		answer.Set("error", a.Deny)
		answer.Set("error_description", "the user said no")
	} else {
		code := a.mint("code")
		a.codes[code] = query
		answer.Set("code", code)
	}
	http.Redirect(w, r, query.Get("redirect_uri")+"/?"+answer.Encode(), http.StatusFound)
}

func (a *Authority) device(w http.ResponseWriter, r *http.Request) {
	a.Lock()
	defer a.Unlock()
	code := a.mint("device")
	a.codes[code] = nil
	reply(w, http.StatusOK, map[string]any{
		"device_code": code, "user_code": "WDJB-MJHT", "verification_uri": a.URL + "/type-it-here",
		"expires_in": a.DeviceExpires, "interval": a.DeviceInterval,
	})
}

func (a *Authority) token(w http.ResponseWriter, r *http.Request) {
	a.Lock()
	defer a.Unlock()
	if r.ParseForm() != nil {
		refuse(w, "invalid_request", "")
		return
	}
	a.Last = r.PostForm
	id, secret := r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	if user, password, ok := r.BasicAuth(); ok {
		id, secret = user, password
	}
	switch {
	case a.Broken != 0:
		http.Error(w, Canary+" trouble", a.Broken)
		return
	case id != a.ClientID || secret != a.ClientSecret:
		refuse(w, "invalid_client", "not with "+secret)
		return
	}
	switch r.PostForm.Get("grant_type") {
	case "authorization_code":
		a.redeem(w, r.PostForm)
	case "urn:ietf:params:oauth:grant-type:device_code":
		a.poll(w, r.PostForm)
	case "refresh_token":
		a.renew(w, r.PostForm.Get("refresh_token"))
	default:
		refuse(w, "unsupported_grant_type", "")
	}
}

// redeem takes a code once, with its verifier. (RFC 7636, section 4.6)
func (a *Authority) redeem(w http.ResponseWriter, form url.Values) {
	code := form.Get("code")
	asked, known := a.codes[code]
	delete(a.codes, code)
	sum := sha256.Sum256([]byte(form.Get("code_verifier")))
	if !known || asked.Get("redirect_uri") != form.Get("redirect_uri") ||
		base64.RawURLEncoding.EncodeToString(sum[:]) != asked.Get("code_challenge") {
		refuse(w, "invalid_grant", "bad code "+code)
		return
	}
	a.issue(w, "")
}

func (a *Authority) poll(w http.ResponseWriter, form url.Values) {
	code := form.Get("device_code")
	if _, known := a.codes[code]; !known {
		refuse(w, "invalid_grant", "bad device "+code)
		return
	}
	if a.Polls++; a.Polls <= len(a.DeviceScript) {
		refuse(w, a.DeviceScript[a.Polls-1], "")
		return
	}
	delete(a.codes, code)
	a.issue(w, "")
}

func (a *Authority) renew(w http.ResponseWriter, old string) {
	if !a.refresh[old] {
		refuse(w, "invalid_grant", "Token "+old+" has been expired or revoked.")
		return
	}
	a.Renewals++
	if !a.Lenient && !a.Steady {
		delete(a.refresh, old)
	}
	if a.OnRenew != nil {
		a.OnRenew()
	}
	a.issue(w, old)
}

func (a *Authority) issue(w http.ResponseWriter, old string) {
	access := a.mint("access")
	a.access[access] = time.Now().Add(a.Lifetime)
	answer := map[string]any{"access_token": access, "token_type": "Bearer", "expires_in": int(a.Lifetime.Seconds()), "scope": "mail"}
	if !a.NoRefresh && (old == "" || !a.Steady) {
		refresh := a.mint("refresh")
		a.refresh[refresh] = true
		answer["refresh_token"] = refresh
	}
	if a.LoginLifetime > 0 {
		answer["refresh_token_expires_in"] = int(a.LoginLifetime.Seconds())
	}
	reply(w, http.StatusOK, answer)
}

// introspect tells a mail server about a token. (RFC 7662)
func (a *Authority) introspect(w http.ResponseWriter, r *http.Request) {
	a.Lock()
	defer a.Unlock()
	until, known := a.access[r.FormValue("token")]
	if !known || time.Now().After(until) {
		reply(w, http.StatusOK, map[string]any{"active": false})
		return
	}
	reply(w, http.StatusOK, map[string]any{"active": true, "username": a.User, "scope": "mail"})
}

func refuse(w http.ResponseWriter, code, description string) {
	reply(w, http.StatusBadRequest, map[string]any{"error": code, "error_description": description})
}

func reply(w http.ResponseWriter, status int, object map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(object) // who does not listen does not care
}

// DovecotOAuth is the configuration of a Dovecot that asks the authority about
// tokens.
func DovecotOAuth(tb testing.TB, a *Authority) DovecotConfig {
	tb.Helper()
	dir, err := os.MkdirTemp("", "mailferry-oauth-")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "oauth2.conf")
	lines := []string{
		"introspection_mode = post", "introspection_url = " + a.URL + "/introspect", "username_attribute = username",
		"active_attribute = active", "active_value = true", "timeout_msecs = 5000",
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		tb.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	// Who fails is made to wait, which only costs the tests time.
	return DovecotConfig{Extra: "auth_failure_delay = 0\nservice anvil {\n  unix_listener anvil-auth-penalty {\n    mode = 0\n  }\n}\n" +
		"auth_mechanisms = plain login xoauth2 oauthbearer\n" +
		"passdb {\n  driver = oauth2\n  mechanisms = xoauth2 oauthbearer\n  args = " + path + "\n}\n"}
}
