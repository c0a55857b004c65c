package oauth

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// polled is an authorization server without a network, so that the clock can
// be a false one. It notes when it is asked.
type polled struct {
	answers []string
	asked   []time.Time
}

func (p *polled) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body := http.StatusOK, `{"device_code":"d","user_code":"u","verification_uri":"https://x.example/","expires_in":600,"interval":7}`
	if r.URL.Path == "/token" {
		p.asked = append(p.asked, time.Now())
		body = `{"access_token":"a","refresh_token":"r","expires_in":3600}`
		if len(p.asked) <= len(p.answers) {
			status, body = http.StatusBadRequest, `{"error":"`+p.answers[len(p.asked)-1]+`"}`
		}
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}, nil
}

// slow_down adds five seconds, for good. (RFC 8628, section 3.5)
func TestDeviceSignInSlowsDownForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &polled{answers: []string{"authorization_pending", "slow_down", "authorization_pending"}}
		client := Client{ID: "x", DeviceURL: "https://x.example/device", TokenURL: "https://x.example/token", HTTP: &http.Client{Transport: server}}
		began := time.Now()
		if _, err := client.SignInByDevice(t.Context(), func(string, string) {}); err != nil {
			t.Fatal(err)
		}
		want := []time.Duration{7, 14, 26, 38}
		for i, at := range server.asked {
			if i >= len(want) || at.Sub(began) != want[i]*time.Second {
				t.Errorf("request %d after %v", i+1, at.Sub(began))
			}
		}
		if len(server.asked) != len(want) {
			t.Errorf("%d requests", len(server.asked))
		}
	})
}
