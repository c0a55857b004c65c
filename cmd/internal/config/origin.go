package config

import "context"

// OriginKeyring is what Origin says of the keyring.
const OriginKeyring = "the keyring"

// Origin returns the password that is there without asking anybody, and in words
// where it is from. Errors are those of Password.
func (s Secrets) Origin(ctx context.Context) (password, origin string, err error) {
	s.Prompt = nil
	return s.find(ctx)
}
