package config

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
)

// The modes that only a list of accounts has.
const (
	ModeRestore = "restore"
	ModeVerify  = "verify"
)

// maxListSize bounds a list of accounts: some 100,000 lines.
const maxListSize = 64 << 20

// Listed is an account of a list.
type Listed struct {
	Account Account
	// Mode is the account's, ModeRestore or ModeVerify.
	Mode string
	// To names the account to restore to or to compare with; "" is none.
	To   string
	Line int
}

// row is a line of a list: values by column.
type row struct {
	line   int
	values map[string]value
}

// lister collects what is wrong with a list.
type lister struct {
	path   string
	config *Config
	list   []Listed
	// others are the accounts to restore to, and those of the file.
	others map[string]Account
	// secret says that nobody else can read the list.
	secret bool
	errs   []error
}

// maxListErrors bounds how many errors are told.
const maxListErrors = 20

// ReadList reads accounts from CSV, or from JSON with an object a line. Columns
// are the keys of an account, those of its tables as "archive.older_than"; and
// name, mode, password, to, to_password, to_password_command and
// to_password_file. It returns a configuration that has these accounts instead
// of its own, which can still be named. The error joins an *Error for each line
// that is wrong.
func (c *Config) ReadList(path string) (*Config, []Listed, error) {
	data, err := readList(path)
	if err != nil {
		return nil, nil, err
	}
	l := &lister{path: path, config: c, others: map[string]Account{}}
	for _, account := range c.accounts {
		l.others[account.Name] = account
	}
	if info, err := os.Stat(path); err == nil {
		l.secret = runtime.GOOS == "windows" || info.Mode().Perm()&0o077 == 0
	}
	rows := l.csv
	if text := strings.TrimLeft(string(data), " \t\r\n"); strings.HasPrefix(text, "{") {
		rows = l.json
	}
	seen := map[string]int{}
	for _, r := range rows(data) {
		l.row(r, seen)
	}
	if len(l.list) == 0 && len(l.errs) == 0 {
		l.add(1, "", "has no accounts", "the first line of a CSV file names the columns: name,url,store,mode,password_file")
	}
	if len(l.errs) > 0 {
		if more := len(l.errs) - maxListErrors; more > 0 {
			l.errs = append(l.errs[:maxListErrors], &Error{Where: path, Message: fmt.Sprintf("and %d more errors", more)})
		}
		return nil, nil, errors.Join(l.errs...)
	}
	with := *c
	with.others = l.others
	with.accounts = make([]Account, len(l.list))
	for i, one := range l.list {
		with.accounts[i] = one.Account
	}
	slices.SortFunc(with.accounts, func(a, b Account) int { return strings.Compare(a.Name, b.Name) })
	return &with, l.list, nil
}

func readList(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxListSize {
		return nil, &Error{Where: path, Message: "is too large for a list of accounts"}
	}
	data, readErr := os.ReadFile(path)
	if err = cmp.Or(err, readErr); err != nil {
		return nil, &Error{Where: path, Message: "cannot be read: " + errors.Unwrap(err).Error()}
	}
	return bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), nil
}

func (l *lister) add(line int, key, message, hint string) {
	l.errs = append(l.errs, &Error{Where: fmt.Sprintf("%s:%d", l.path, line), Key: key, Message: message, Hint: hint})
}

// csv reads rows behind a line of columns. An empty cell is not set.
func (l *lister) csv(data []byte) (rows []row) {
	reader := csv.NewReader(bytes.NewReader(data))
	first, _, _ := bytes.Cut(data, []byte("\n"))
	if bytes.ContainsRune(first, ';') && !bytes.ContainsRune(first, ',') {
		reader.Comma = ';' // as spreadsheets write it in much of the world
	}
	reader.Comment, reader.TrimLeadingSpace, reader.FieldsPerRecord = '#', true, -1
	columns, err := reader.Read()
	if err != nil {
		return nil // empty
	}
	for i := range columns {
		columns[i] = strings.ToLower(strings.TrimSpace(columns[i]))
		if _, known := listColumn(columns[i]); !known || slices.Index(columns, columns[i]) < i {
			l.add(1, columns[i], "is no column, or is there twice", l.columnHint(columns[i]))
		}
	}
	for len(l.errs) == 0 {
		cells, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		var syntax *csv.ParseError
		if errors.As(err, &syntax) {
			l.add(syntax.Line, "", syntax.Err.Error(), `a cell with a comma or a quote is written "like ""this"", quoted"`)
			break
		}
		line, _ := reader.FieldPos(0)
		if len(cells) > len(columns) {
			l.add(line, "", "has more cells than there are columns", `a cell with a comma is written "in quotes"`)
			continue
		}
		r := row{line, map[string]value{}}
		for i, cell := range cells {
			if cell != "" {
				r.values[columns[i]] = cellValue(columns[i], cell)
			}
		}
		rows = append(rows, r)
	}
	return rows
}

// textColumns are text to the letter: a password may look like a number.
var textColumns = []string{"name", "mode", "url", "store", "to", "password", "password_file", "to_password", "to_password_file"}

func cellValue(column, cell string) value {
	if slices.Contains(textColumns, column) {
		return value{cell}
	}
	k, _ := listColumn(column)
	return k.fromEnvironment(cell)
}

// json reads an object a line.
func (l *lister) json(data []byte) (rows []row) {
	line := 0
	for text := range bytes.Lines(data) {
		line++
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		var object map[string]any
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.UseNumber()
		if err := decoder.Decode(&object); err != nil || decoder.More() {
			l.add(line, "", "is not one JSON object", `write each account on a line: {"name": "a", "url": "imaps://...", "store": "..."}`)
			continue
		}
		r := row{line, map[string]value{}}
		for _, name := range slices.Sorted(maps.Keys(object)) {
			if _, known := listColumn(name); !known {
				l.add(line, name, "is no key of an account", l.columnHint(name))
				continue
			}
			raw := object[name]
			if number, ok := raw.(json.Number); ok {
				if whole, err := number.Int64(); err == nil {
					raw = whole
				} else {
					raw, _ = number.Float64()
				}
			}
			if raw != nil {
				r.values[name] = value{raw}
			}
		}
		rows = append(rows, r)
	}
	return rows
}

// listKeys are the columns that are not keys of an account.
var listKeys = []key{
	{name: "name", allowed: "letters, digits and any of - _ . @ +"},
	{name: "mode", allowed: "sync, backup, archive, restore or verify"},
	{name: "password", allowed: "text"},
	{name: "to", allowed: "a URL or the name of an account"},
	{name: "to_password", allowed: "text"},
	{name: "to_password_command", allowed: "a list or one program"},
	{name: "to_password_file", allowed: "a file that only you can read"},
}

// listColumn finds the key that a column is.
func listColumn(name string) (key, bool) {
	if k, ok := find(listKeys, name); ok {
		return k, true
	}
	if table, inner, found := strings.Cut(name, "."); found {
		return find(subtables[table], inner)
	}
	return find(accountKeys, name)
}

func (l *lister) columnHint(name string) string {
	known := append(names(listKeys), names(accountKeys)...)
	for _, table := range slices.Sorted(maps.Keys(subtables)) {
		for _, inner := range names(subtables[table]) {
			known = append(known, table+"."+inner)
		}
	}
	return cmp.Or(didYouMean(name, known), "columns: "+strings.Join(known, ", "))
}

// row makes an account of a row.
func (l *lister) row(r row, seen map[string]int) {
	before := len(l.errs)
	account := l.config.defaults
	one := Listed{Line: r.line}
	for _, column := range slices.Sorted(maps.Keys(r.values)) {
		if _, special := find(listKeys, column); special {
			continue
		}
		k, _ := listColumn(column)
		if err := k.set(&account, r.values[column]); err != nil {
			l.complain(r.line, column, err, k.allowed)
		}
	}
	account.Name = cmp.Or(l.text(r, "name"), account.Server.AccountName())
	one.Mode = cmp.Or(l.text(r, "mode"), account.Mode)
	l.check(r, one.Mode, &account, seen)
	if password := l.password(r, "password"); password != "" {
		account.password = func() string { return password }
	}
	if one.Mode == ModeSync || one.Mode == ModeBackup || one.Mode == ModeArchive {
		account.Mode = one.Mode
	}
	l.to(r, &one, account)
	if len(l.errs) > before {
		return
	}
	account.Store = ExpandHome(account.Store, l.config.env)
	err := overlayEnvironment(&account, l.config.env)
	if err == nil {
		err = checkServer(account)
	}
	if err != nil {
		l.complain(r.line, "", err, "")
		return
	}
	one.Account = account
	l.list = append(l.list, one)
}

// check refuses a row that is no account, or one that was there before.
func (l *lister) check(r row, mode string, account *Account, seen map[string]int) {
	switch {
	case account.Server.Scheme == "" && len(account.Tunnel) == 0:
		if _, given := r.values["url"]; !given {
			l.add(r.line, "url", "is missing", "such as imaps://user%40example.com@imap.example.com")
		}
		return
	case account.Store == "":
		l.add(r.line, "store", "is missing", "every account has a folder of its own")
	case !validName(account.Name):
		l.add(r.line, "name", fmt.Sprintf("%.40q is not a name for an account", account.Name), "names have "+listKeys[0].allowed)
	}
	if !slices.Contains([]string{ModeSync, ModeBackup, ModeArchive, ModeRestore, ModeVerify}, mode) {
		l.add(r.line, "mode", fmt.Sprintf("%.40q is not allowed", mode), "allowed: sync, backup, archive, restore or verify")
	}
	for _, what := range []string{"name " + account.Name, "store " + account.Store} {
		if line, twice := seen[what]; twice {
			l.add(r.line, "", fmt.Sprintf("%s is on line %d, too", what, line), "every account has its own")
		}
		seen[what] = r.line
	}
}

// to reads where a row's mail goes.
func (l *lister) to(r row, one *Listed, account Account) {
	one.To = l.text(r, "to")
	switch {
	case one.To == "" && one.Mode == ModeRestore:
		l.add(r.line, "to", "is missing: the server to restore to", "a URL such as imaps://user@imap.example.org")
		return
	case one.To == "" || !IsURL(one.To):
		return
	}
	server, err := ParseURL(one.To)
	if err != nil {
		l.complain(r.line, "to", err, "")
		return
	}
	dest := l.config.defaults
	dest.Name, dest.Server, dest.Store, dest.Adhoc = account.Name+".to", server, account.Store, true
	dest.PasswordFile = ExpandHome(l.text(r, "to_password_file"), l.config.env)
	dest.PasswordCommand, dest.TokenCommand = nil, nil
	if v, given := r.values["to_password_command"]; given {
		if text, isText := v.raw.(string); isText {
			v = value{[]any{text}}
		}
		if err := v.list(&dest.PasswordCommand); err != nil {
			l.complain(r.line, "to_password_command", err, listKeys[5].allowed)
		}
	}
	if password := l.password(r, "to_password"); password != "" {
		dest.password = func() string { return password }
	}
	if err := checkServer(dest); err != nil {
		l.complain(r.line, "to", err, "")
	}
	one.To = dest.Name
	l.others[dest.Name] = dest
}

func (l *lister) text(r row, column string) string {
	v, given := r.values[column]
	if !given {
		return ""
	}
	if number, ok := v.raw.(int64); ok { // a name of digits
		return fmt.Sprint(number)
	}
	text, err := v.text()
	if err != nil {
		k, _ := listColumn(column)
		l.complain(r.line, column, err, k.allowed)
	}
	return text
}

// password reads a password, if the list is for the user's eyes only.
func (l *lister) password(r row, column string) string {
	text := l.text(r, column)
	if text != "" && !l.secret {
		l.add(r.line, column, "is in a file that others can read", "chmod 600 "+l.path+", and change these passwords; better: password_command or password_file")
	}
	return text
}

// complain tells what is wrong with a column.
func (l *lister) complain(line int, column string, err error, allowed string) {
	var detailed *Error
	hint := ""
	if allowed != "" {
		hint = "allowed: " + allowed
	}
	if errors.As(err, &detailed) {
		l.add(line, column, detailed.Message, cmp.Or(detailed.Hint, hint))
		return
	}
	l.add(line, column, err.Error(), hint)
}
