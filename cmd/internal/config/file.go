package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// maxFileSize bounds what is read: no configuration is a megabyte long.
const maxFileSize = 1 << 20

// Load reads the configuration file. One that is missing is an empty
// configuration unless explicit. The error joins an *Error for everything that
// is wrong, in the order of the file.
func Load(path string, explicit bool, env func(string) string) (*Config, error) {
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !explicit:
		return parse("", nil, env)
	case errors.Is(err, fs.ErrNotExist):
		return nil, &Error{Where: path, Message: "there is no such configuration file"}
	case err != nil:
		return nil, &Error{Where: path, Message: "cannot be read: " + errors.Unwrap(err).Error()}
	case len(data) > maxFileSize:
		return nil, &Error{Where: path, Message: "is too large for a configuration file"}
	}
	return parse(path, data, env)
}

// reader collects what is wrong with a file while it is read.
type reader struct {
	path string
	meta toml.MetaData
	env  func(string) string
	errs []lineError
}

type lineError struct {
	line int
	err  *Error
}

func parse(path string, data []byte, env func(string) string) (*Config, error) {
	var tables map[string]toml.Primitive
	meta, err := toml.NewDecoder(bytes.NewReader(data)).Decode(&tables)
	if err != nil {
		return nil, syntaxError(path, err)
	}
	r := &reader{path: path, meta: meta, env: env}
	config := &Config{Path: path, defaults: builtin(""), env: env}
	r.root(config, tables)
	if len(r.errs) == 0 {
		return config, nil
	}
	slices.SortStableFunc(r.errs, func(a, b lineError) int { return cmp.Compare(a.line, b.line) })
	list := make([]error, len(r.errs))
	for i, e := range r.errs {
		list[i] = e.err
	}
	return nil, errors.Join(list...)
}

// quotedInput is what the library quotes of a file.
var quotedInput = regexp.MustCompile(`"(?:[^"\\]|\\.)*"( instead)?`)

// syntaxError keeps the line and the reason, but not the quoted input: it may
// hold a secret.
func syntaxError(path string, err error) error {
	var syntax toml.ParseError
	if errors.As(err, &syntax) {
		message := quotedInput.ReplaceAllLiteralString(syntax.Message, "something else")
		return &Error{Where: fmt.Sprintf("%s:%d", path, syntax.Position.Line), Message: "not valid TOML: " + message}
	}
	return &Error{Where: path, Message: "not valid TOML"}
}

func (r *reader) root(config *Config, tables map[string]toml.Primitive) {
	for _, name := range sortedKeys(tables) {
		if name != "defaults" && name != "accounts" {
			r.unknown(name, tables[name], name, []string{"defaults", "accounts"})
		}
	}
	if primitive, ok := tables["defaults"]; ok {
		r.account("defaults", primitive, &config.defaults, true)
	}
	primitive, ok := tables["accounts"]
	if !ok {
		return
	}
	accounts, ok := r.table("accounts", primitive)
	if !ok {
		return
	}
	for _, name := range sortedKeys(accounts) {
		prefix := "accounts." + name
		if !validName(name) {
			r.add(accounts[name], prefix, "not a name for an account", "names have letters, digits and any of - _ . @ +")
			continue
		}
		account := config.defaults
		account.Name = name
		before := len(r.errs)
		r.account(prefix, accounts[name], &account, false)
		if len(r.errs) == before && r.finish(prefix, accounts[name], &account) {
			r.keepApart(prefix, accounts[name], account, config.accounts)
			config.accounts = append(config.accounts, account)
		}
	}
}

// keepApart refuses a store that is another account's, or lies inside it.
func (r *reader) keepApart(prefix string, at toml.Primitive, account Account, others []Account) {
	mine := resolved(account.Store) + string(filepath.Separator)
	for _, other := range others {
		theirs := resolved(other.Store) + string(filepath.Separator)
		if strings.HasPrefix(mine, theirs) || strings.HasPrefix(theirs, mine) {
			r.add(at, prefix+".store", fmt.Sprintf("%q and the store of %s, %q, share a folder", account.Store, other.Name, other.Store),
				"each account has a folder of its own, none inside another's")
			return
		}
	}
}

// validName keeps account names fit for a shell, a file name and a variable.
func validName(name string) bool {
	return name != "" && name[0] != '-' && name[0] != '.' && len(name) <= 64 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz"+
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.@+") == ""
}

// account reads the keys of one account or of the defaults.
func (r *reader) account(prefix string, primitive toml.Primitive, account *Account, defaults bool) {
	table, ok := r.table(prefix, primitive)
	if !ok {
		return
	}
	for _, name := range sortedKeys(table) {
		path := prefix + "." + name
		if keys, ok := subtables[name]; ok {
			if sub, ok := r.table(path, table[name]); ok {
				for _, name := range sortedKeys(sub) {
					r.key(path+"."+name, name, sub[name], keys, account)
				}
			}
			continue
		}
		if k, ok := find(accountKeys, name); ok && k.own && defaults {
			r.add(table[name], path, "does not belong into [defaults]", "every account has its own "+name)
			continue
		}
		r.key(path, name, table[name], accountKeys, account)
	}
}

func (r *reader) key(path, name string, primitive toml.Primitive, keys []key, account *Account) {
	k, ok := find(keys, name)
	if !ok {
		r.unknown(path, primitive, name, names(keys))
		return
	}
	var raw any
	if err := r.meta.PrimitiveDecode(primitive, &raw); err != nil {
		r.add(primitive, path, "cannot be read", "allowed: "+k.allowed)
		return
	}
	err := k.set(account, value{raw})
	var detailed *Error
	switch {
	case errors.As(err, &detailed):
		r.add(primitive, path, detailed.Message, cmp.Or(detailed.Hint, "allowed: "+k.allowed))
	case err != nil:
		r.add(primitive, path, err.Error(), "allowed: "+k.allowed)
	}
}

// finish checks what several keys say together, and replaces ~.
func (r *reader) finish(prefix string, at toml.Primitive, account *Account) bool {
	if account.Server.Scheme == "" && len(account.Tunnel) == 0 {
		r.add(at, prefix, "has no url", `add a line such as url = "imaps://user@imap.example.com"`)
		return false
	}
	if account.Store == "" {
		r.add(at, prefix, "has no store", `add a line such as store = "~/Mail/`+account.Name+`"`)
		return false
	}
	account.Store = ExpandHome(account.Store, r.env)
	account.expandHome(r.env)
	err := overlayEnvironment(account, r.env)
	if err == nil {
		err = checkServer(*account)
	}
	if err == nil {
		err = checkOAuth(*account)
	}
	var detailed *Error
	if !errors.As(err, &detailed) {
		return true
	}
	if detailed.Where != "" {
		r.errs = append(r.errs, lineError{err: detailed})
	} else {
		r.add(at, prefix+"."+cmp.Or(detailed.Key, "url"), detailed.Message, detailed.Hint)
	}
	return false
}

func (r *reader) table(path string, primitive toml.Primitive) (map[string]toml.Primitive, bool) {
	table, ok := r.asTable(primitive)
	if !ok {
		r.add(primitive, path, "is not a table", "write it as ["+path+"]")
		return nil, false
	}
	return table, true
}

func (r *reader) asTable(primitive toml.Primitive) (map[string]toml.Primitive, bool) {
	// Decoding into a map says nothing when it finds no table.
	var raw any
	var table map[string]toml.Primitive
	err := errors.Join(r.meta.PrimitiveDecode(primitive, &raw), r.meta.PrimitiveDecode(primitive, &table))
	_, isTable := raw.(map[string]any)
	return table, isTable && err == nil
}

func (r *reader) unknown(path string, primitive toml.Primitive, name string, known []string) {
	hint := didYouMean(name, known)
	if hint == "" {
		hint = "known keys: " + strings.Join(known, ", ")
	}
	r.add(primitive, path, "unknown key", hint)
}

func (r *reader) add(at toml.Primitive, path, message, hint string) {
	line := r.line(at)
	where := r.path
	if line > 0 {
		where = fmt.Sprintf("%s:%d", r.path, line)
	}
	r.errs = append(r.errs, lineError{line, &Error{Where: where, Key: path, Message: message, Hint: hint}})
}

// locator fails to decode: the error then tells on which line the value is,
// which the library offers in no other way.
type locator struct{}

var errLocated = errors.New("located")

// UnmarshalTOML always returns an error.
func (locator) UnmarshalTOML(any) error { return errLocated }

// line is where a value is; a table that only its own tables name, as
// [accounts.home] does with accounts, is where the first of these is.
func (r *reader) line(primitive toml.Primitive) int {
	var found toml.ParseError
	if errors.As(r.meta.PrimitiveDecode(primitive, &locator{}), &found) && found.Position.Line > 0 {
		return found.Position.Line
	}
	first := 0
	table, _ := r.asTable(primitive)
	for _, inner := range table {
		if line := r.line(inner); line > 0 && (first == 0 || line < first) {
			first = line
		}
	}
	return first
}

func sortedKeys(table map[string]toml.Primitive) []string {
	return slices.Sorted(maps.Keys(table))
}
