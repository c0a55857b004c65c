package config

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
)

// TLSConfig returns how the server's certificate is checked: by the system's
// authorities and the private one, or, with a pin, by its fingerprint alone.
func (a Account) TLSConfig() (*tls.Config, error) {
	config := &tls.Config{ServerName: a.Server.Host, MinVersion: tls.VersionTLS12}
	if a.TLSCAFile != "" {
		pem, err := os.ReadFile(a.TLSCAFile)
		if err != nil {
			return nil, &Error{Where: a.Name, Key: "tls_ca_file", Message: err.Error()}
		}
		roots, err := x509.SystemCertPool()
		if err != nil {
			roots = x509.NewCertPool()
		}
		if !roots.AppendCertsFromPEM(pem) {
			return nil, &Error{Where: a.Name, Key: "tls_ca_file", Message: "no certificate in " + a.TLSCAFile, Hint: "the file has to be in PEM format"}
		}
		config.RootCAs = roots
	}
	if a.TLSPin != "" {
		// The chain is not looked at: whoever pins a certificate trusts just
		// that one, most often because it is signed by nobody. Every
		// handshake, resumed ones too, runs VerifyConnection.
		config.InsecureSkipVerify = true
		config.VerifyConnection = func(state tls.ConnectionState) error { return verifyPin(state, a.TLSPin) }
	}
	return config, nil
}

func verifyPin(state tls.ConnectionState, pin string) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("the server shows no certificate")
	}
	sum := sha256.Sum256(state.PeerCertificates[0].Raw)
	if got := hex.EncodeToString(sum[:]); got != pin {
		return fmt.Errorf("the server's certificate is not the pinned one (its SHA-256 is %s)", got)
	}
	return nil
}
