package oauth

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

func clientOf(a *synctest.Authority) Client {
	return Client{ID: "client", AuthURL: a.URL + "/auth", TokenURL: a.URL + "/token", DeviceURL: a.URL + "/device", Scopes: []string{"mail"}}
}

// browse opens a page as a browser does, with what it is redirected to.
func browse(t *testing.T, page string) (status int, text string) {
	t.Helper()
	answer, err := http.Get(page)
	if err != nil {
		t.Errorf("browser: %v", err)
		return 0, ""
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Errorf("browser: %v", err)
	}
	return answer.StatusCode, string(body)
}

func withoutCanary(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil && strings.Contains(err.Error(), synctest.Canary) {
		t.Errorf("%s: a secret is in the error: %v", what, err)
	}
}

func TestBrowserSignInUsesPKCEAndALoopbackRedirect(t *testing.T) {
	for _, host := range []string{"", "localhost"} {
		authority := synctest.StartAuthority(t)
		authority.LoginLifetime = 7 * 24 * time.Hour
		client := clientOf(authority)
		client.RedirectHost = host
		token, err := client.SignInByBrowser(t.Context(), func(page string) {
			go func() {
				if status, text := browse(t, page); status != http.StatusOK || !strings.Contains(text, "go back to the terminal") || strings.Contains(text, synctest.Canary) {
					t.Errorf("%d, %s", status, text)
				}
			}()
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if token.Access == "" || token.Refresh == "" || time.Until(token.LoginExpiry) < 6*24*time.Hour || !token.IsOf(client) || time.Until(token.Expiry) < 59*time.Minute {
			t.Errorf("token is not complete: expiry %v, login %v", token.Expiry, token.LoginExpiry)
		}
		redirect, err := url.Parse(authority.LastAuth.Get("redirect_uri"))
		if err != nil || redirect.Scheme != "http" || redirect.Port() == "" || redirect.Path != "" ||
			host == "" && redirect.Hostname() != "127.0.0.1" || host != "" && redirect.Hostname() != host {
			t.Errorf("redirect %v, %v", redirect, err)
		}
		if authority.LastAuth.Get("state") == "" || authority.LastAuth.Get("code_challenge") == "" || authority.Last.Get("code_verifier") == "" {
			t.Error("no state or no PKCE")
		}
	}
}

func TestBrowserSignInIgnoresAnswersToOtherQuestions(t *testing.T) {
	authority := synctest.StartAuthority(t)
	client := clientOf(authority)
	_, err := client.SignInByBrowser(t.Context(), func(page string) {
		u, _ := url.Parse(page)
		redirect := u.Query().Get("redirect_uri")
		go func() {
			for _, forged := range []string{"/?code=evil&state=wrong", "/?code=evil", "/?error=access_denied", "/?state=" + u.Query().Get("state"), "/favicon.ico"} {
				if status, _ := browse(t, redirect+forged); status < 400 {
					t.Errorf("%s is answered with %d", forged, status)
				}
			}
			browse(t, page)
		}()
	}, nil)
	if err != nil {
		t.Errorf("a forged answer ended the sign-in: %v", err)
	}
}

func TestBrowserSignInTakesAPastedAddress(t *testing.T) {
	authority := synctest.StartAuthority(t)
	pasted := make(chan string)
	_, err := clientOf(authority).SignInByBrowser(t.Context(), func(page string) {
		// A browser elsewhere: it is led to a page that it cannot load.
		elsewhere := &http.Client{CheckRedirect: noRedirect}
		go func() {
			answer, err := elsewhere.Get(page)
			if err != nil {
				t.Error(err)
				return
			}
			answer.Body.Close()
			pasted <- "what is this?"
			pasted <- " " + answer.Header.Get("Location") + " \n"
		}()
	}, pasted)
	if err != nil {
		t.Error(err)
	}
}

func TestBrowserSignInThatIsDeniedSaysSo(t *testing.T) {
	authority := synctest.StartAuthority(t)
	authority.Deny = "access_denied"
	_, err := clientOf(authority).SignInByBrowser(t.Context(), func(page string) { go browse(t, page) }, nil)
	var refused *Refusal
	if !errors.As(err, &refused) || refused.Code != "access_denied" || !errors.Is(err, mailbox.ErrAuth) || !strings.Contains(err.Error(), "the user said no") {
		t.Error(err)
	}
}

func TestBrowserSignInWithTheWrongVerifierIsRefusedWithoutTheCode(t *testing.T) {
	authority := synctest.StartAuthority(t)
	_, err := clientOf(authority).SignInByBrowser(t.Context(), func(page string) {
		// Somebody else's code: it belongs to another challenge. (RFC 7636, section 1)
		other := strings.Replace(page, "code_challenge=", "code_challenge=x", 1)
		go browse(t, other)
	}, nil)
	var refused *Refusal
	if !errors.As(err, &refused) || refused.Code != "invalid_grant" {
		t.Error(err)
	}
	withoutCanary(t, "code", err)
}

func TestBrowserSignInEndsWithItsContext(t *testing.T) {
	authority := synctest.StartAuthority(t)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := clientOf(authority).SignInByBrowser(ctx, func(string) { cancel() }, nil)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestClientSecretGoesIntoTheHeaderOrTheParameters(t *testing.T) {
	for _, inParams := range []bool{false, true} {
		authority := synctest.StartAuthority(t)
		authority.ClientSecret = synctest.Canary + "-secret"
		client := clientOf(authority)
		client.InParams = inParams
		client.Secret = func(context.Context) (string, error) { return authority.ClientSecret, nil }
		if _, err := client.SignInByBrowser(t.Context(), func(page string) { go browse(t, page) }, nil); err != nil {
			t.Error(err)
		}
		if got := authority.Last.Get("client_secret") != ""; got != inParams {
			t.Errorf("in the parameters: %v, want %v", got, inParams)
		}
		client.Secret = func(context.Context) (string, error) { return synctest.Canary + "-wrong", nil }
		_, err := client.Renew(t.Context(), Token{Refresh: "x"})
		var refused *Refusal
		if !errors.As(err, &refused) || refused.Code != "invalid_client" {
			t.Error(err)
		}
		withoutCanary(t, "client secret", err)
	}
}

func TestDeviceSignInWaitsAsItIsTold(t *testing.T) {
	authority := synctest.StartAuthority(t)
	authority.DeviceScript = []string{"authorization_pending"}
	shown := ""
	token, err := clientOf(authority).SignInByDevice(t.Context(), func(page, code string) { shown = page + " " + code })
	if err != nil || token.Refresh == "" || authority.Polls != 2 {
		t.Errorf("%v, %d polls", err, authority.Polls)
	}
	if shown != authority.URL+"/type-it-here WDJB-MJHT" {
		t.Errorf("shown: %s", shown)
	}
}

func TestDeviceSignInThatEndsSaysWhy(t *testing.T) {
	for code, want := range map[string]string{"access_denied": "access_denied", "expired_token": "nobody signed in in time", "invalid_grant": "invalid_grant"} {
		authority := synctest.StartAuthority(t)
		authority.DeviceScript = []string{code}
		_, err := clientOf(authority).SignInByDevice(t.Context(), func(string, string) {})
		if !errors.Is(err, mailbox.ErrAuth) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", code, err)
		}
		withoutCanary(t, code, err)
	}
	authority := synctest.StartAuthority(t)
	authority.DeviceScript = []string{"authorization_pending", "authorization_pending", "authorization_pending"}
	authority.DeviceExpires = 2
	_, err := clientOf(authority).SignInByDevice(t.Context(), func(string, string) {})
	var refused *Refusal
	if !errors.As(err, &refused) || refused.Code != "expired_token" {
		t.Errorf("the code's time is over: %v", err)
	}
}

func TestServersThatAnswerNonsenseAreNotBelieved(t *testing.T) {
	for name, test := range map[string]struct {
		body string
		want error
	}{
		"another type":  {`{"access_token":"CANARYx","token_type":"mac"}`, mailbox.ErrProtocol},
		"a line end":    {`{"access_token":"CANARY\r\nx","token_type":"bearer"}`, mailbox.ErrProtocol},
		"SASL's \\x01":  {`{"access_token":"CANARY\u0001auth=x"}`, mailbox.ErrProtocol},
		"no token":      {`{"token_type":"bearer","x":"CANARY"}`, mailbox.ErrProtocol},
		"no JSON":       {`<html>CANARY</html>`, mailbox.ErrProtocol},
		"odd refresh":   {`{"access_token":"x","refresh_token":"CANARY y"}`, mailbox.ErrProtocol},
		"deeply nested": {strings.Repeat("[", 200_000), mailbox.ErrProtocol},
	} {
		client := Client{ID: "client", TokenURL: "http://127.0.0.1/token", HTTP: &http.Client{Transport: answering{test.body}}}
		_, err := client.Renew(t.Context(), Token{Refresh: "CANARY-refresh"})
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
		withoutCanary(t, name, err)
	}
}

// answering is a server with one answer.
type answering struct{ body string }

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(a.body)), Request: r,
	}, nil
}
