package merge

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// PopAccount is an account that a source's mail program fetches by POP3.
type PopAccount struct {
	User, Host     string
	LeavesOnServer bool
}

func (p PopAccount) String() string {
	if p.User == "" {
		return p.Host
	}
	return p.User + " at " + p.Host
}

// user_pref("mail.server.server2.type", "pop3");
var serverPref = regexp.MustCompile(`^user_pref\("mail\.server\.(server\d+)\.(type|hostname|userName|leave_on_server)", (.*)\);\s*$`)

// PopAccounts tells what a Thunderbird's preferences say of POP3: what splits
// mail is a program that fetches it and deletes it there.
func PopAccounts(source Source) []PopAccount {
	f, ok := source.(*files)
	if !ok || f.kind != Thunderbird {
		return nil
	}
	profiles, err := thunderbirdProfiles(f.root)
	if err != nil {
		return nil
	}
	var all []PopAccount
	for _, profile := range profiles {
		all = append(all, popAccounts(filepath.Join(f.root, filepath.FromSlash(profile), "prefs.js"))...)
	}
	return all
}

func popAccounts(prefs string) []PopAccount {
	file, err := os.Open(prefs)
	if err != nil {
		return nil
	}
	defer file.Close()
	servers := map[string]map[string]string{}
	in := bufio.NewScanner(file)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		found := serverPref.FindStringSubmatch(in.Text())
		if found == nil {
			continue
		}
		if servers[found[1]] == nil {
			servers[found[1]] = map[string]string{}
		}
		value := found[3]
		if text, err := strconv.Unquote(value); err == nil {
			value = text
		}
		servers[found[1]][found[2]] = value
	}
	var names []string
	for name := range servers {
		names = append(names, name)
	}
	slices.Sort(names)
	var all []PopAccount
	for _, name := range names {
		if s := servers[name]; s["type"] == "pop3" {
			all = append(all, PopAccount{User: s["userName"], Host: s["hostname"], LeavesOnServer: s["leave_on_server"] == "true"})
		}
	}
	return all
}
