package synctest

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"testing"
)

// mailUID owns the mail when the tests run as root: Dovecot refuses to serve
// root's mail. It needs no name in the system's list of users.
const mailUID = 5000

// DovecotConfig varies a Dovecot. The zero value is Dovecot as Debian sets it
// up: separator "/", no prefix, all capabilities.
type DovecotConfig struct {
	// Separator between levels; 0 is "/".
	Separator byte
	// Prefix of the namespace, such as "INBOX.".
	Prefix string
	// Capability replaces the capabilities told after login, which hides
	// those left out: "IMAP4rev1 LITERAL+ UIDPLUS". A leading "+" adds.
	Capability string
	// MailLocation replaces where mail is kept; %[1]s is the work folder.
	MailLocation string
	// Extra are further lines of the configuration; they win.
	Extra string
}

type dovecotTemplate struct {
	DovecotConfig
	Dir, Separator        string
	IMAP, IMAPS, POP3     int
	MailUID, MailGID      int
	Unprivileged          bool
	LoginUser, LoginGroup string
}

// Dovecot starts a Dovecot for one test. A package whose tests all need one
// starts it in TestMain with StartDovecot instead.
func Dovecot(tb testing.TB, config DovecotConfig) *Server {
	tb.Helper()
	s, err := StartDovecot("", config)
	return started(tb, s, err)
}

// StartDovecot starts a private Dovecot on loopback. Its work folder is dir
// or, when that is "", a temporary one that Stop removes. Every user name is
// accepted with Password.
func StartDovecot(dir string, config DovecotConfig) (*Server, error) {
	binary, err := exec.LookPath("dovecot")
	if err != nil {
		if binary, err = exec.LookPath("/usr/sbin/dovecot"); err != nil {
			return nil, fmt.Errorf("tests need Dovecot (apt-get install dovecot-imapd dovecot-pop3d): %w", err)
		}
	}
	dir, remove, err := workFolder(dir, "mailferry-dovecot-")
	if err != nil {
		return nil, err
	}
	values, err := prepareDovecot(dir, config)
	if err != nil {
		return nil, errors.Join(err, remove())
	}
	var process *daemon
	for range 3 {
		if process, err = launchDovecot(binary, &values); err == nil {
			break
		}
	}
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "dovecot.log"))
		return nil, errors.Join(fmt.Errorf("start Dovecot: %w\n%s", err, log), remove())
	}
	return &Server{
		Product: "dovecot", Dir: dir, CAFile: filepath.Join(dir, "ca.pem"),
		Addr: loopback(values.IMAP), TLSAddr: loopback(values.IMAPS), POP3Addr: loopback(values.POP3),
		Separator: values.Separator[0], Prefix: config.Prefix,
		maildir: func(name string) string { return filepath.Join(dir, "mail", name) },
		stop:    func() error { return errors.Join(process.stop(), remove()) },
	}, nil
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// workFolder makes a folder that the server's own user can enter.
func workFolder(dir, pattern string) (string, func() error, error) {
	remove := func() error { return nil }
	if dir == "" {
		made, err := os.MkdirTemp("", pattern)
		if err != nil {
			return "", nil, err
		}
		dir = made
		remove = func() error { return os.RemoveAll(made) }
	}
	return dir, remove, os.Chmod(dir, 0o755)
}

func prepareDovecot(dir string, config DovecotConfig) (dovecotTemplate, error) {
	values := dovecotTemplate{
		DovecotConfig: config, Dir: dir, Separator: string(cmp.Or(config.Separator, '/')), MailUID: mailUID, MailGID: mailUID,
	}
	values.MailLocation = cmp.Or(config.MailLocation, "maildir:%[1]s/mail/%%u:INDEX=%[1]s/index/%%u")
	values.MailLocation = fmt.Sprintf(values.MailLocation, dir)
	if os.Geteuid() != 0 {
		me, err := user.Current()
		if err != nil {
			return values, err
		}
		group, err := user.LookupGroupId(me.Gid)
		if err != nil {
			return values, err
		}
		values.Unprivileged, values.MailUID, values.MailGID = true, os.Geteuid(), os.Getegid()
		values.LoginUser, values.LoginGroup = me.Username, group.Name
	}
	for _, name := range []string{"run", "mail", "index"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(path, 0o755); err != nil {
			return values, err
		}
		if name != "run" && !values.Unprivileged {
			if err := os.Chown(path, mailUID, mailUID); err != nil {
				return values, err
			}
		}
	}
	return values, WriteCertificates(dir)
}

func launchDovecot(binary string, values *dovecotTemplate) (*daemon, error) {
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	values.IMAP, values.IMAPS, values.POP3 = ports[0], ports[1], ports[2]
	config := filepath.Join(values.Dir, "dovecot.conf")
	if err := writeTemplate("dovecot/dovecot.conf", config, values); err != nil {
		return nil, err
	}
	process, err := startDaemon(exec.Command(binary, "-F", "-c", config))
	if err != nil {
		return nil, err
	}
	if err := process.awaitGreeting(loopback(values.IMAP)); err != nil {
		return nil, errors.Join(err, process.stop())
	}
	return process, nil
}
