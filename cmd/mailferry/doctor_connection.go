package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"mailferry/syncer/mailbox"
)

const (
	// certificateWarning is how long before its end a certificate is warned of.
	certificateWarning = 14 * 24 * time.Hour
	// reachPatience bounds looking a name up, and connecting.
	reachPatience = 10 * time.Second
)

// checkReach looks up the server's name and connects to each of its addresses.
// It reports whether a login is worth a try.
func (c *checkup) checkReach(ctx context.Context) bool {
	if len(c.account.Tunnel) > 0 {
		c.ok("connection", "by the tunnel %s", c.account.Tunnel[0])
		return true
	}
	server := c.account.Server
	ctx, cancel := context.WithTimeout(ctx, reachPatience)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(ctx, server.Host)
	if err != nil {
		c.fail("dns", fmt.Errorf("%w: %w", mailbox.ErrNetwork, err))
		return false
	}
	if net.ParseIP(server.Host) == nil {
		c.ok("dns", "%s is %s", server.Host, strings.Join(addresses, ", "))
	}
	return c.connectAll(ctx, addresses)
}

// connectAll connects to all addresses, as a run may take any of them.
func (c *checkup) connectAll(ctx context.Context, addresses []string) bool {
	port := fmt.Sprint(c.account.Server.Port)
	errs := make([]error, len(addresses))
	took := make([]time.Duration, len(addresses))
	done := make(chan struct{})
	for i, address := range addresses {
		go func() {
			began := time.Now()
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(address, port))
			if errs[i], took[i] = err, time.Since(began); err == nil {
				conn.Close()
			}
			done <- struct{}{}
		}()
	}
	for range addresses {
		<-done
	}
	best := slices.Index(errs, nil)
	if best < 0 {
		c.fail("tcp", fmt.Errorf("%w: %w", mailbox.ErrNetwork, errs[0]))
		return false
	}
	for i, err := range errs {
		if err != nil {
			c.note("tcp", "%s does not answer (%v); another address does", addresses[i], err)
		}
	}
	c.ok("tcp", "port %s answers in %s", port, roundTime(took[best]))
	return true
}

func roundTime(d time.Duration) time.Duration {
	if d < time.Millisecond {
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(time.Millisecond)
}

// checkTLS looks at the certificate, or tells why it was not accepted.
func (c *checkup) checkTLS(ctx context.Context, shown *tls.ConnectionState, err error) {
	const check = "certificate"
	switch {
	case errors.Is(err, mailbox.ErrTLS):
		fix := hintFor(err, "mailferry doctor "+c.account.Name)
		if print := c.app.fingerprint(ctx, c.account); print != "" {
			fix += "\nif this is your own server and you know the certificate: tls_pin = \"" + print + "\""
		}
		c.bad(check, exitFailed, fix, "%v", err)
		return
	case shown == nil || len(shown.PeerCertificates) == 0:
		if err == nil && len(c.account.Tunnel) == 0 {
			c.note(check, "the connection is not protected")
		}
		return
	}
	leaf := shown.PeerCertificates[0]
	if c.account.TLSPin != "" {
		c.ok(check, "the pinned one (tls_pin), %s", tlsVersion(shown))
		return
	}
	left := time.Until(leaf.NotAfter)
	text := fmt.Sprintf("for %s, by %s, until %s", c.account.Server.Host, issuerOf(leaf), leaf.NotAfter.Format(time.DateOnly))
	if left < certificateWarning {
		c.warn(check, exitFailed, "the server's operator has to renew it; then: mailferry doctor "+c.account.Name, "%s: %s are left", text, leftText(left))
		return
	}
	if c.account.TLSCAFile != "" && !isPublic(shown, c.account.Server.Host) {
		text += ", a private authority (tls_ca_file)"
	}
	c.ok(check, "%s, %s", text, tlsVersion(shown))
}

func tlsVersion(state *tls.ConnectionState) string { return tls.VersionName(state.Version) }

func issuerOf(cert *x509.Certificate) string {
	if cert.Issuer.CommonName != "" {
		return cert.Issuer.CommonName
	}
	return cert.Issuer.String()
}

func leftText(left time.Duration) string {
	if left > 48*time.Hour {
		return fmt.Sprintf("%d days", int(left.Hours()/24))
	}
	return fmt.Sprintf("%d hours", int(left.Hours()))
}

// isPublic reports whether the system's authorities vouch for a certificate.
func isPublic(state *tls.ConnectionState, host string) bool {
	between := x509.NewCertPool()
	for _, cert := range state.PeerCertificates[1:] {
		between.AddCert(cert)
	}
	_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{DNSName: host, Intermediates: between})
	return err == nil
}
