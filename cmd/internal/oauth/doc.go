// Package oauth gets OAuth2 tokens for mail accounts: by a browser on this
// machine (RFC 8252 and 7636) or by a code that is typed elsewhere (RFC 8628),
// and renews them.
//
//	client.go    the client that the user registered; Renew
//	provider.go  what is known of Google and Microsoft
//	browser.go   SignInByBrowser
//	device.go    SignInByDevice
//	token.go     what a sign-in gives
//	store.go     where it is kept
//	source.go    an access token for a login, renewed when it has to be
//	refusal.go   what an authorization server says no with
//
// Invariants:
//
//   - No token, code or client secret is ever part of an error or a log record.
//   - A refresh token goes only to the server that issued it, for the client
//     that it was issued to.
//   - It is proved that a token can be stored before it is renewed, and one
//     process renews at a time: a server may take each refresh token only once.
package oauth
