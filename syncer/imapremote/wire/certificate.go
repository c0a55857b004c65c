package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"mailferry/syncer/mailbox"
)

// handshake puts TLS over a stream. TLS 1.0 and 1.1 are not spoken. (RFC 8997)
func (d Dialer) handshake(ctx context.Context, base net.Conn) (net.Conn, error) {
	config := &tls.Config{}
	if d.TLS != nil {
		config = d.TLS.Clone()
	}
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	if config.ServerName == "" {
		host, _, err := net.SplitHostPort(d.Addr)
		if err != nil {
			return nil, fmt.Errorf("address %q: %w", d.Addr, err)
		}
		config.ServerName = host
	}
	// Deadlines of the time before TLS do not count; ctx does.
	base.SetDeadline(time.Time{})
	stream := tls.Client(base, config)
	err := stream.HandshakeContext(ctx)
	if err == nil {
		return stream, nil
	}
	if isNetworkTrouble(err) {
		return nil, fmt.Errorf("TLS with %s: %w: %w", d.Addr, mailbox.ErrNetwork, err)
	}
	if cert := shownCertificate(stream, err); cert != nil {
		return nil, fmt.Errorf("%s: %w: %w; the server shows %s", d.Addr, mailbox.ErrTLS, err, describe(cert))
	}
	if errors.As(err, new(tls.RecordHeaderError)) {
		return nil, fmt.Errorf("%s: %w: the server does not speak TLS here: %w", d.Addr, mailbox.ErrTLS, err)
	}
	return nil, fmt.Errorf("%s: %w: %w", d.Addr, mailbox.ErrTLS, err)
}

// isNetworkTrouble tells a lost connection from one that is not to be trusted.
func isNetworkTrouble(err error) bool {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		return true
	}
	// An alert is a *net.OpError, too: "remote error: tls: ...".
	if errors.As(err, new(tls.AlertError)) {
		return false
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" {
		return false
	}
	return isTimeout(err) || errors.As(err, new(syscall.Errno)) || errors.Is(err, context.Canceled)
}

// shownCertificate is the certificate that was not accepted, if it got that far.
func shownCertificate(stream *tls.Conn, err error) *x509.Certificate {
	var verification *tls.CertificateVerificationError
	if errors.As(err, &verification) && len(verification.UnverifiedCertificates) > 0 {
		return verification.UnverifiedCertificates[0]
	}
	if shown := stream.ConnectionState().PeerCertificates; len(shown) > 0 {
		return shown[0]
	}
	return nil
}

// describe names a certificate by what people compare. Its text is the
// server's: quoted, so that it cannot speak to a terminal.
func describe(cert *x509.Certificate) string {
	names := append([]string(nil), cert.DNSNames...)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) > 10 {
		names = append(names[:10], "...")
	}
	return fmt.Sprintf("a certificate for %.300q (names %.500q), issued by %.300q, valid from %s to %s",
		cert.Subject.String(), strings.Join(names, ", "), cert.Issuer.String(),
		cert.NotBefore.Format(time.DateOnly), cert.NotAfter.Format(time.DateOnly))
}
