package main

import (
	"context"
	"crypto/tls"

	"golang.org/x/time/rate"

	"mailferry/cmd/internal/config"
	"mailferry/syncer/imapremote/wire"
)

// dialer is how the account's server is reached.
func (a *app) dialer(ctx context.Context, account config.Account) (wire.Dialer, error) {
	tlsConfig, err := account.TLSConfig()
	if err != nil {
		return wire.Dialer{}, err
	}
	log := a.log.With("account", account.Name)
	dialer := wire.Dialer{
		Addr: address(account), Security: security(account), TLS: tlsConfig, Tunnel: account.Tunnel,
		Timeout: account.Timeout, ConnectTimeout: account.Timeout, Log: log,
	}
	if account.BWLimit > 0 {
		dialer.Limiter, dialer.ReadBuffer = limiter(ctx, account.BWLimit), ahead(account.BWLimit)
	}
	return dialer, nil
}

// showTLS shows each connection whose certificate was found good.
func showTLS(checks *tls.Config, show func(tls.ConnectionState)) {
	verify := checks.VerifyConnection
	checks.VerifyConnection = func(state tls.ConnectionState) error {
		if verify != nil {
			if err := verify(state); err != nil {
				return err
			}
		}
		show(state)
		return nil
	}
}

// address is where the server is; of a tunnel without a URL it is the account's
// name, for error messages.
func address(account config.Account) string {
	if account.Server.Scheme == "" {
		return account.Name
	}
	return account.Server.Addr()
}

func security(account config.Account) wire.Security {
	switch {
	case len(account.Tunnel) > 0:
		return wire.Tunnel
	case account.Server.Security == config.StartTLS:
		return wire.StartTLS
	case account.Server.Security == config.Plain:
		return wire.Plain
	}
	return wire.TLS
}

// limiter keeps all of an account's connections, in both directions together,
// at a rate.
func limiter(ctx context.Context, octetsPerSecond int64) func(int) {
	burst := int(min(max(octetsPerSecond/20, 1<<10), 1<<20))
	bucket := rate.NewLimiter(rate.Limit(octetsPerSecond), burst)
	return func(octets int) {
		for octets > 0 {
			part := min(octets, burst)
			// An error is ctx's; the transfer itself notices it.
			if bucket.WaitN(ctx, part) != nil {
				return
			}
			octets -= part
		}
	}
}

// ahead is how much a connection may receive before we ask the limiter: a
// quarter of a second's worth.
func ahead(octetsPerSecond int64) int {
	return int(min(max(octetsPerSecond/4, 16<<10), 1<<20))
}
