package imapremote

import (
	"encoding/json"
	"fmt"
)

// xoauth2 is the client side of the SASL mechanism XOAUTH2, which Google
// and Microsoft defined before OAUTHBEARER (RFC 7628) existed.
type xoauth2 struct{ user, token string }

// Start sends everything at once.
func (x xoauth2) Start() (mechanism string, response []byte, err error) {
	return "XOAUTH2", []byte("user=" + x.user + "\x01auth=Bearer " + x.token + "\x01\x01"), nil
}

// Next is called only when the server refuses: its challenge says why, in
// JSON. Ending here, instead of sending the empty answer that would bring the
// tagged NO, keeps that reason.
func (x xoauth2) Next(challenge []byte) ([]byte, error) { return nil, decodeRefusal(challenge) }

// refusal is the error challenge of XOAUTH2 and OAUTHBEARER.
// (RFC 7628, section 3.2.2)
type refusal struct {
	Status string `json:"status"`
	Scope  string `json:"scope"`
}

func (r *refusal) Error() string {
	text := fmt.Sprintf("server refuses the token: status %.40q", r.Status)
	if r.Scope != "" {
		text += fmt.Sprintf(", scope %.200q is needed", r.Scope)
	}
	return text
}

func decodeRefusal(challenge []byte) error {
	r := &refusal{}
	if err := json.Unmarshal(challenge, r); err != nil {
		return &refusal{Status: string(challenge)}
	}
	return r
}
