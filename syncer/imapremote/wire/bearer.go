package wire

import (
	"encoding/json"
	"fmt"
	"net"
	"strconv"

	"github.com/emersion/go-sasl"
)

// XOAuth2 is the client side of the SASL mechanism XOAUTH2, which Google and
// Microsoft defined before OAUTHBEARER (RFC 7628) existed.
func XOAuth2(user, token string) sasl.Client { return xoauth2{user: user, token: token} }

type xoauth2 struct{ user, token string }

// Start sends everything at once.
func (x xoauth2) Start() (mechanism string, response []byte, err error) {
	return "XOAUTH2", []byte("user=" + x.user + "\x01auth=Bearer " + x.token + "\x01\x01"), nil
}

// Next is called only when the server refuses: its challenge says why, in
// JSON. The error is a TokenRefusal, whose Answer is to be sent: go-imap would
// write an empty answer as "=", which is right in a command only.
func (x xoauth2) Next(challenge []byte) ([]byte, error) {
	return nil, decodeRefusal(challenge, []byte{})
}

// OAuthBearer is OAUTHBEARER for the server at addr (host:port), with a refusal
// that says what the server said. (RFC 7628)
func OAuthBearer(user, token, addr string) sasl.Client {
	options := &sasl.OAuthBearerOptions{Username: user, Token: token}
	if host, port, err := net.SplitHostPort(addr); err == nil {
		options.Host = host
		options.Port, _ = strconv.Atoi(port)
	}
	return oauthBearer{sasl.NewOAuthBearerClient(options)}
}

type oauthBearer struct{ sasl.Client }

// Next is called only when the server refuses. (RFC 7628, section 3.2.3)
func (b oauthBearer) Next(challenge []byte) ([]byte, error) {
	return nil, decodeRefusal(challenge, []byte{1})
}

// TokenRefusal is the error challenge of XOAUTH2 and OAUTHBEARER.
// (RFC 7628, section 3.2.2)
type TokenRefusal struct {
	Status string `json:"status"`
	Scope  string `json:"scope"`
	// Answer is what the server waits for before it ends the exchange with its
	// NO; not yet in Base64.
	Answer []byte `json:"-"`
}

func (r *TokenRefusal) Error() string {
	text := fmt.Sprintf("server refuses the token: status %.40q", r.Status)
	if r.Scope != "" {
		text += fmt.Sprintf(", scope %.200q is needed", r.Scope)
	}
	return text
}

func decodeRefusal(challenge, answer []byte) error {
	r := &TokenRefusal{}
	if err := json.Unmarshal(challenge, r); err != nil {
		r = &TokenRefusal{Status: string(challenge)}
	}
	r.Answer = answer
	return r
}
