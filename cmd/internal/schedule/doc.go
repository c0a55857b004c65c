// Package schedule writes what makes a system run a command regularly: units of
// systemd and lines of a crontab. It performs no I/O.
package schedule

// Job is a command that is to run regularly.
type Job struct {
	// Account is the one account that it is for; "" is all.
	Account string
	// Argv is the command; the program's path is absolute.
	Argv []string
	// Env are variables, NAME=value, that the command needs.
	Env   []string
	Every Every
	// Jitter says by how much, at random, a systemd timer is late, in seconds.
	// (A crontab's command has to wait itself.)
	Jitter int
	// Hardening says how much the service is shut in.
	Hardening Hardening
}

// Hardening says how much a service is shut in.
type Hardening struct {
	// Basic takes from the service what no mail program needs.
	Basic bool
	// Namespaces gives it a view of its own of the system: /usr and /etc
	// read-only. Programs that insist on root's files being root's, ssh for one,
	// do not run there.
	Namespaces bool
	// PrivateTmp, with Namespaces, gives it a /tmp of its own.
	PrivateTmp bool
}

// About is the account in words.
func (j Job) About() string {
	if j.Account == "" {
		return "all accounts"
	}
	return "account " + j.Account
}
