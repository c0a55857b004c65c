package config

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
)

// handshake connects to a server whose certificate nobody has signed.
func handshake(t *testing.T, account func(certificate []byte) Account) error {
	t.Helper()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	a := account(server.Certificate().Raw)
	a.Server.Host = address.Hostname()
	config, err := a.TLSConfig()
	if err != nil {
		return err
	}
	conn, err := tls.Dial("tcp", address.Host, config)
	if err == nil {
		conn.Close()
	}
	return err
}

func TestPinIsCheckedInsteadOfTheChain(t *testing.T) {
	pin := func(certificate []byte) string {
		sum := sha256.Sum256(certificate)
		return hex.EncodeToString(sum[:])
	}
	if err := handshake(t, func(c []byte) Account { return Account{TLSPin: pin(c)} }); err != nil {
		t.Errorf("the pinned certificate: %v", err)
	}
	if err := handshake(t, func(c []byte) Account { return Account{TLSPin: pin(c[1:])} }); err == nil || !strings.Contains(err.Error(), "not the pinned one") {
		t.Errorf("another certificate: %v", err)
	}
	if err := handshake(t, func([]byte) Account { return Account{} }); err == nil {
		t.Error("a certificate that nobody signed was accepted")
	}
}

func TestPrivateAuthorityIsAdded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.pem")
	err := handshake(t, func(c []byte) Account {
		write(t, path, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c})), 0o644)
		return Account{TLSCAFile: path}
	})
	if err != nil {
		t.Errorf("signed by tls_ca_file: %v", err)
	}
	write(t, path, "no certificate", 0o644)
	var detailed *Error
	if err := handshake(t, func([]byte) Account { return Account{TLSCAFile: path} }); !errors.As(err, &detailed) {
		t.Errorf("a file without a certificate: %v", err)
	}
}
