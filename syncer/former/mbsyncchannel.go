package former

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mailferry/syncer/mailbox"
)

// mbsyncByConfig finds state files by what mbsync's configuration says.
func mbsyncByConfig(file string, store Store) ([]mbsyncPlace, error) {
	rc, err := readSettings(file, ParseMbsyncrc)
	if err != nil {
		return nil, err
	}
	if len(rc.Names("channel")) == 0 {
		return nil, &Refusal{file, "is no configuration of mbsync: it has no Channel", "name ~/.mbsyncrc, or the folder with mbsync's state files"}
	}
	var found []mbsyncPlace
	var elsewhere []string
	for i := range rc.Sections {
		section := &rc.Sections[i]
		if section.Kind != "channel" || store.From != "" && section.Name != store.From {
			continue
		}
		channel := mbsyncChannel{rc: rc, Section: section, store: store, file: file}
		places, dir, err := channel.places()
		if err != nil {
			return nil, err
		}
		if dir != "" {
			elsewhere = append(elsewhere, dir)
		}
		found = append(found, places...)
	}
	if len(found) == 0 && len(elsewhere) > 0 {
		slices.Sort(elsewhere)
		return nil, &Refusal{store.Dir, "mbsync keeps no mail here, but in " + strings.Join(slices.Compact(elsewhere), " and in "),
			"a store is where the mail is: set store (and layout) of the account to it"}
	}
	return found, noneTwice(found)
}

// noneTwice refuses two channels for one folder.
func noneTwice(found []mbsyncPlace) error {
	seen := map[string]bool{}
	for _, place := range found {
		if seen[place.folder] {
			return &Refusal{place.folder, "two channels of mbsync are about this folder", "say which one is taken over: --from CHANNEL"}
		}
		seen[place.folder] = true
	}
	return nil
}

func readSettings[R any](file string, parse func(io.Reader) (R, error)) (R, error) {
	var none R
	open, err := os.Open(file)
	if err != nil {
		return none, err
	}
	defer open.Close()
	return parse(open)
}

// mbsyncChannel is a Channel, whose Far is a server's and whose Near is Maildirs.
type mbsyncChannel struct {
	*Section
	rc    *Settings
	store Store
	file  string
}

// end splits ":store:mailbox".
func (c *mbsyncChannel) end(keys ...string) (name, box string) {
	text := strings.TrimPrefix(c.Text(keys...), ":")
	name, box, _ = strings.Cut(text, ":")
	return name, box
}

// places finds the channel's state files. dir is where its mail is, when that is
// not in the store.
func (c *mbsyncChannel) places() (found []mbsyncPlace, dir string, err error) {
	far, farBox := c.end("Far", "Master")
	near, nearBox := c.end("Near", "Slave")
	local, remote := c.rc.Find("maildirstore", near), c.rc.Find("imapstore", far)
	if local == nil || remote == nil {
		return nil, "", &Refusal{c.file, "channel " + c.Name + " is not from a server (Far) to Maildirs (Near)", "take over the other channels by name: --from CHANNEL"}
	}
	maildirs := mbsyncMaildirs{Section: local, store: c.store}
	if root := maildirs.root(); root != c.store.Dir {
		return nil, root, nil
	}
	if err := maildirs.check(c.file); err != nil {
		return nil, "", err
	}
	folders, err := c.store.folders()
	if err != nil {
		return nil, "", err
	}
	isMany := len(c.All("Pattern", "Patterns")) > 0
	for _, folder := range folders {
		box, ok := maildirs.box(folder)
		if !ok {
			continue
		}
		full, theirs := box, farBox
		switch {
		case !isMany:
			if nearBox == "" {
				nearBox = string(mailbox.Inbox)
			}
			if box != nearBox {
				continue
			}
			if theirs == "" {
				theirs = string(mailbox.Inbox)
			}
		default:
			rest, ok := strings.CutPrefix(box, nearBox)
			if !ok {
				continue
			}
			theirs = farBox + rest
		}
		if delimiter := local.Text("Flatten"); delimiter != "" {
			theirs = strings.ReplaceAll(theirs, delimiter, "/")
		}
		state := c.state(far, theirs, near, full, folder)
		if exists(state) || exists(state+".journal") {
			found = append(found, mbsyncPlace{state, folder, pathOnServer(remote) + theirs, "mbsync " + c.Name})
		}
	}
	return found, "", nil
}

// state is where a mailbox's state file is.
func (c *mbsyncChannel) state(far, farBox, near, nearBox, folder string) string {
	flat := func(name string) string { return strings.ReplaceAll(name, "/", "!") }
	setting := c.Text("SyncState")
	if setting == "*" || setting == "" && c.rc.Globals().Text("SyncState") == "*" {
		return c.store.join(folder, mbsyncStateFile)
	}
	if setting != "" {
		return c.store.expand(setting) + flat(nearBox)
	}
	name := ":" + far + ":" + flat(farBox) + "_:" + near + ":" + flat(nearBox)
	if prefix := c.rc.Globals().Text("SyncState"); prefix != "" {
		return c.store.expand(prefix) + name
	}
	// Since 1.5 the state is where XDG wants it, unless ~/.mbsync is there.
	old := filepath.Join(c.store.Home, ".mbsync")
	home := c.store.StateHome
	if home == "" {
		home = filepath.Join(c.store.Home, ".local", "state")
	}
	if later := filepath.Join(home, "isync", name); !exists(filepath.Join(old, name)) && exists(later) {
		return later
	}
	return filepath.Join(old, name)
}

// pathOnServer is what stands before the names of an IMAPStore's mailboxes.
func pathOnServer(remote *Section) string { return strings.ReplaceAll(remote.Text("Path"), ".", "/") }

// mbsyncMaildirs is a MaildirStore.
type mbsyncMaildirs struct {
	*Section
	store Store
}

func (m mbsyncMaildirs) inbox() string {
	inbox := m.Text("Inbox")
	if inbox == "" {
		inbox = "~/Maildir"
	}
	return clean(m.store.expand(inbox))
}

func (m mbsyncMaildirs) isPlusPlus() bool {
	return strings.EqualFold(m.Text("SubFolders"), "Maildir++")
}

// root is the folder that all its mail is in.
func (m mbsyncMaildirs) root() string {
	switch path := m.store.expand(m.Text("Path")); {
	case m.isPlusPlus():
		return m.inbox()
	case strings.HasSuffix(path, "/"):
		return clean(path)
	case path != "":
		return clean(filepath.Dir(path))
	case strings.EqualFold(filepath.Base(m.inbox()), string(mailbox.Inbox)):
		return filepath.Dir(m.inbox())
	}
	return m.inbox()
}

// check refuses what a store cannot be.
func (m mbsyncMaildirs) check(file string) error {
	where := file + ": MaildirStore " + m.Name
	if delimiter := m.Text("InfoDelimiter"); delimiter != "" && delimiter != ":" {
		return &Refusal{where, "file names have " + delimiter + " where Maildir has a colon (InfoDelimiter)", "rename the files, then set InfoDelimiter to :"}
	}
	if strings.EqualFold(m.Text("SubFolders"), "Legacy") {
		return &Refusal{where, "sub-folders have a dot before their names (SubFolders Legacy)",
			"rename them (Work/.Project to Work/Project), set SubFolders Verbatim, run mbsync once; then the same line again"}
	}
	if m.isPlusPlus() != m.store.PlusPlus {
		layout := "fs"
		if m.isPlusPlus() {
			layout = "maildir++"
		}
		return &Refusal{where, "its folders have another layout than the account's", "set in the account: layout = \"" + layout + "\""}
	}
	inbox := m.inbox()
	folder, within := below(inbox, m.store.Dir)
	if !m.isPlusPlus() && exists(filepath.Join(inbox, "cur")) && (!within || !strings.EqualFold(folder, string(mailbox.Inbox))) {
		to := filepath.Join(m.store.Dir, string(mailbox.Inbox))
		return &Refusal{where, "INBOX is at " + inbox + ", and a store has it inside: " + to,
			"move it: mv '" + inbox + "' '" + to + "', set Inbox " + to + ", run mbsync once; then the same line again"}
	}
	return nil
}

// box is what mbsync calls the folder at a path below the store.
func (m mbsyncMaildirs) box(folder string) (string, bool) {
	if m.isPlusPlus() {
		return m.store.box(folder), true
	}
	abs := filepath.Join(m.store.Dir, filepath.FromSlash(folder))
	if sub, within := below(abs, m.inbox()); within {
		return strings.TrimSuffix(string(mailbox.Inbox)+"/"+sub, "/"), true
	}
	path := m.store.expand(m.Text("Path"))
	if !strings.HasSuffix(path, "/") && path != "" {
		return strings.CutPrefix(abs, filepath.Join(clean(filepath.Dir(path)), filepath.Base(path)))
	}
	return folder, folder != ""
}
