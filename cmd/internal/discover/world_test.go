package discover

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// world is a small internet on loopback: an HTTPS server under any name, a DNS
// server, and mail servers at the addresses in dials. Nothing leaves the machine.
type world struct {
	t     *testing.T
	roots *x509.CertPool
	// files are what the HTTPS server has, by host and path.
	files map[string]http.HandlerFunc
	// dials says where a connection to host:port goes really.
	dials map[string]string
	// mx and srv are DNS records by name.
	mx  map[string][]string
	srv map[string][]dnsmessage.SRVResource

	mu    sync.Mutex
	asked []string
}

func newWorld(t *testing.T, names ...string) (*world, Finder) {
	t.Helper()
	w := &world{
		t: t, roots: x509.NewCertPool(), files: map[string]http.HandlerFunc{}, dials: map[string]string{},
		mx: map[string][]string{}, srv: map[string][]dnsmessage.SRVResource{},
	}
	web := httptest.NewUnstartedServer(http.HandlerFunc(w.serve))
	web.TLS = &tls.Config{Certificates: []tls.Certificate{w.certificate(names...)}}
	// They start when they are first asked: what the test gave them is there then.
	startWeb := sync.OnceFunc(web.StartTLS)
	t.Cleanup(web.Close)
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		w.note(addr)
		to, ok := w.dials[addr]
		if strings.HasSuffix(addr, ":443") {
			startWeb()
			to, ok = web.Listener.Addr().String(), true
		}
		if !ok {
			return nil, &net.OpError{Op: "dial", Net: network, Err: &net.DNSError{Err: "no such host", Name: addr, IsNotFound: true}}
		}
		return (&net.Dialer{}).DialContext(ctx, network, to)
	}
	dns := sync.OnceValue(w.serveDNS)
	return w, Finder{
		Client: &http.Client{Transport: &http.Transport{DialContext: dial, TLSClientConfig: &tls.Config{RootCAs: w.roots}}},
		Dial:   dial,
		TLS:    &tls.Config{RootCAs: w.roots},
		Resolver: &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "udp", dns())
		}},
	}
}

func (w *world) note(addr string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, addr)
}

func (w *world) serve(rw http.ResponseWriter, r *http.Request) {
	serve, ok := w.files[r.Host+r.URL.Path]
	if !ok {
		http.NotFound(rw, r)
		return
	}
	serve(rw, r)
}

// certificate is signed by itself; the world trusts it.
func (w *world) certificate(names ...string) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: names,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		w.t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		w.t.Fatal(err)
	}
	w.roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: parsed}
}

// mailServer greets, with a certificate for name, at addr.
func (w *world) mailServer(addr, name, greeting string) {
	w.t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{w.certificate(name)}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { listener.Close() })
	w.dials[addr] = listener.Addr().String()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.Write([]byte(greeting))
			conn.Close()
		}
	}()
}

// serveDNS answers from w.mx and w.srv; all other names do not exist.
func (w *world) serveDNS() string {
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { socket.Close() })
	go func() {
		packet := make([]byte, 4096)
		for {
			n, from, err := socket.ReadFrom(packet)
			if err != nil {
				return
			}
			var query dnsmessage.Message
			if query.Unpack(packet[:n]) != nil || len(query.Questions) != 1 {
				continue
			}
			if answer, err := w.answer(query); err == nil {
				socket.WriteTo(answer, from)
			}
		}
	}()
	return socket.LocalAddr().String()
}

func (w *world) answer(query dnsmessage.Message) ([]byte, error) {
	q := query.Questions[0]
	name := strings.TrimSuffix(q.Name.String(), ".")
	reply := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: query.ID, Response: true, RecursionAvailable: true},
		Questions: query.Questions,
	}
	header := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}
	switch q.Type {
	case dnsmessage.TypeMX:
		for _, host := range w.mx[name] {
			reply.Answers = append(reply.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.MXResource{Pref: 10, MX: dnsmessage.MustNewName(host)}})
		}
	case dnsmessage.TypeSRV:
		for _, record := range w.srv[name] {
			reply.Answers = append(reply.Answers, dnsmessage.Resource{Header: header, Body: &record})
		}
	}
	if len(reply.Answers) == 0 {
		reply.RCode = dnsmessage.RCodeNameError
	}
	return reply.Pack()
}

func address(t *testing.T, text string) Address {
	t.Helper()
	a, err := ParseAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// urls lists what was found.
func urls(found []Finding) string {
	list := make([]string, len(found))
	for i, f := range found {
		list[i] = f.Server.String()
	}
	return strings.Join(list, " ")
}
