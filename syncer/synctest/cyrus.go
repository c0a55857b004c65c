package synctest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// cyrusPackages are Debian 12's Cyrus and the libraries that a bare system
// lacks. They are unpacked into a cache folder, never installed: Cyrus and
// Dovecot cannot be installed together.
var cyrusPackages = []string{
	"cyrus-common", "cyrus-imapd", "sasl2-bin", "libsasl2-2", "libsasl2-modules", "libsasl2-modules-db",
	"libical3", "libxapian30", "libzephyr4", "libhesiod0", "libjansson4", "libpq5", "libclamav12", "libmspack0",
	"libjson-c5", "libpcre3", "libicu72", "libxml2", "libldap-2.5-0", "libwrap0", "libnsl2", "libtirpc3", "libsqlite3-0", "libdb5.3",
}

// cyrusAdmin is the account that makes the others' mailboxes.
const cyrusAdmin = "admin"

// cyrusUsers is how many users a Cyrus can have.
const cyrusUsers = 128

// Cyrus starts a Cyrus for one test.
func Cyrus(tb testing.TB) *Server {
	tb.Helper()
	return CyrusWith(tb, "")
}

// CyrusWith starts a Cyrus with further lines of its configuration.
func CyrusWith(tb testing.TB, extra string) *Server {
	tb.Helper()
	s, err := startCyrus("", extra)
	return started(tb, s, err)
}

// StartCyrus starts a private Cyrus 3.6 on loopback, without TLS. Its work
// folder is dir or, when that is "", a temporary one that Stop removes. The
// first call on a machine downloads Debian's packages into a cache.
func StartCyrus(dir string) (*Server, error) { return startCyrus(dir, "") }

func startCyrus(dir, extra string) (*Server, error) {
	root, err := cyrusRoot()
	if err != nil {
		return nil, fmt.Errorf("tests need Debian's packages of Cyrus: %w", err)
	}
	dir, remove, err := workFolder(dir, "mailferry-cyrus-")
	if err != nil {
		return nil, err
	}
	c := &cyrus{root: root, dir: dir, extra: extra}
	if err := c.prepare(); err != nil {
		return nil, errors.Join(err, remove())
	}
	for range 3 {
		if err = c.launch(); err == nil {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start Cyrus: %w", err), remove())
	}
	return &Server{
		Product: "cyrus", Dir: dir, Addr: loopback(c.port), Separator: '/',
		addUser: c.addAccount,
		stop:    func() error { return errors.Join(c.process.stop(), remove()) },
	}, nil
}

type cyrus struct {
	root, dir string
	// extra are further lines of imapd.conf.
	extra string
	// owner is the user Cyrus runs as: it refuses to be root.
	owner   *user.User
	port    int
	process *daemon
}

// cyrusRoot returns the folder with the unpacked packages.
func cyrusRoot() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	if os.Geteuid() == 0 {
		// Cyrus runs as another user, who cannot enter root's home.
		cache = filepath.Join(filepath.VolumeName(cache)+string(filepath.Separator), "var", "cache")
	}
	target := filepath.Join(cache, "mailferry-cyrus-3.6")
	if _, err := os.Stat(target); err == nil {
		return target, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(cache, "mailferry-cyrus-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	if err := unpackCyrus(work); err != nil {
		return "", err
	}
	// Another test binary may have been faster; its folder is as good.
	if err := os.Rename(filepath.Join(work, "root"), target); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	return target, nil
}

func unpackCyrus(work string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	download := func() error {
		return run(ctx, work, nil, "", "apt-get", append([]string{"download"}, cyrusPackages...)...)
	}
	if err := download(); err != nil {
		if err := run(ctx, work, nil, "", "apt-get", "update"); err != nil {
			return err
		}
		if err := download(); err != nil {
			return err
		}
	}
	archives, err := filepath.Glob(filepath.Join(work, "*.deb"))
	if err != nil {
		return err
	}
	for _, archive := range archives {
		if err := run(ctx, work, nil, "", "dpkg", "-x", archive, filepath.Join(work, "root")); err != nil {
			return err
		}
	}
	return os.Chmod(filepath.Join(work, "root"), 0o755)
}

// run executes a program and puts what it printed into the error.
func run(ctx context.Context, dir string, env []string, input, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env, cmd.Stdin = dir, env, strings.NewReader(input)
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(name), err, output)
	}
	return nil
}

// env lets the unpacked programs find their libraries and SASL's plugins.
func (c *cyrus) env() []string {
	libraries, _ := filepath.Glob(filepath.Join(c.root, "usr", "lib", "*-linux-gnu*"))
	more, _ := filepath.Glob(filepath.Join(c.root, "lib", "*-linux-gnu*"))
	libraries = append(libraries, more...)
	var plugins []string
	for _, library := range libraries {
		plugins = append(plugins, filepath.Join(library, "sasl2"))
	}
	return append(os.Environ(), "LD_LIBRARY_PATH="+strings.Join(libraries, ":"), "SASL_PATH="+strings.Join(plugins, ":"))
}

func (c *cyrus) prepare() error {
	var err error
	if c.owner, err = user.Current(); err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		if c.owner, err = user.Lookup("mail"); err != nil {
			return err
		}
	}
	// Cyrus makes spool/stage. at the first APPEND; of two at once, one fails.
	for _, name := range []string{"spool/stage.", "lib/db", "lib/socket", "lib/proc", "lib/lock", "lib/log", "lib/msg", "lib/ptclient", "run"} {
		if err := os.MkdirAll(filepath.Join(c.dir, filepath.FromSlash(name)), 0o755); err != nil {
			return err
		}
	}
	// The file of passwords must not change while somebody logs in: what is read
	// then may be half of it.
	for i := range cyrusUsers {
		if err := c.addUser(fmt.Sprintf("u%d", i+1)); err != nil {
			return err
		}
	}
	if err := c.addUser(cyrusAdmin); err != nil {
		return err
	}
	return c.own(c.dir)
}

// own gives a tree to the user Cyrus runs as.
func (c *cyrus) own(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return run(ctx, c.dir, nil, "", "chown", "-R", c.owner.Uid+":"+c.owner.Gid, path)
}

// addAccount makes a user and, as the administrator, the user's INBOX.
func (c *cyrus) addAccount(name string) error {
	var n int
	if _, err := fmt.Sscanf(name, "u%d", &n); err != nil || n > cyrusUsers {
		return fmt.Errorf("no password for %s was made: raise cyrusUsers", name)
	}
	admin, err := dialClient(loopback(c.port), cyrusAdmin, Password)
	if err != nil {
		return err
	}
	defer admin.close()
	_, err = admin.do("CREATE " + quote("user/"+name))
	return err
}

func (c *cyrus) addUser(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	base := filepath.Join(c.dir, "sasldb2")
	return run(ctx, c.dir, c.env(), Password+"\n", filepath.Join(c.root, "usr", "sbin", "saslpasswd2"), "-p", "-c", "-f", base, "-u", "localhost", name)
}

func (c *cyrus) launch() error {
	ports, err := freePorts(1)
	if err != nil {
		return err
	}
	c.port = ports[0]
	group, err := user.LookupGroupId(c.owner.Gid)
	if err != nil {
		return err
	}
	values := map[string]any{"Dir": c.dir, "Root": c.root, "Port": c.port, "User": c.owner.Username, "Group": group.Name, "Extra": c.extra}
	imapd, master := filepath.Join(c.dir, "imapd.conf"), filepath.Join(c.dir, "cyrus.conf")
	if err := writeTemplate("cyrus/imapd.conf", imapd, values); err != nil {
		return err
	}
	if err := writeTemplate("cyrus/cyrus.conf", master, values); err != nil {
		return err
	}
	binary := filepath.Join(c.root, "usr", "lib", "cyrus", "bin", "master")
	cmd := exec.Command(binary, "-C", imapd, "-M", master, "-p", filepath.Join(c.dir, "run", "master.pid"))
	cmd.Env, cmd.Dir = c.env(), c.dir
	if c.process, err = startDaemon(cmd); err != nil {
		return err
	}
	if err := c.process.awaitGreeting(loopback(c.port)); err != nil {
		return errors.Join(err, c.process.stop())
	}
	return nil
}
