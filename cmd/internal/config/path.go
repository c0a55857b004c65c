package config

import (
	"cmp"
	"os/user"
	"path/filepath"
	"strings"
)

// FilePath tells where the configuration is: the flag's value, MAILFERRY_CONFIG,
// or the place that XDG names. Explicit says that somebody named it, so that it
// has to exist.
func FilePath(flag string, env func(string) string) (path string, explicit bool) {
	if flag != "" {
		return flag, true
	}
	if path := env("MAILFERRY_CONFIG"); path != "" {
		return path, true
	}
	return filepath.Join(ConfigDir(env), "mailferry", "config.toml"), false
}

// ConfigDir is where the user's programs have their configuration.
func ConfigDir(env func(string) string) string { return xdg(env, "XDG_CONFIG_HOME", ".config") }

// StateDir is where this machine remembers the stores it made.
func StateDir(env func(string) string) string {
	return filepath.Join(xdg(env, "XDG_STATE_HOME", ".local/state"), "mailferry")
}

// xdg ignores a relative path, as the XDG base directory specification wants.
func xdg(env func(string) string, variable, fallback string) string {
	if dir := env(variable); filepath.IsAbs(dir) {
		return dir
	}
	return filepath.Join(home(env), filepath.FromSlash(fallback))
}

func home(env func(string) string) string {
	if dir := cmp.Or(env("HOME"), env("USERPROFILE")); dir != "" {
		return dir
	}
	// A service manager may start us without HOME. The notes on stores must
	// not end up in whatever folder that happens in.
	if who, err := user.Current(); err == nil {
		return who.HomeDir
	}
	return ""
}

// ExpandHome replaces a leading ~ by the home folder.
func ExpandHome(path string, env func(string) string) string {
	if dir := home(env); dir != "" && (path == "~" || strings.HasPrefix(path, "~/")) {
		return filepath.Join(dir, path[1:])
	}
	return path
}

// samePath compares paths as far as that is possible without the disk, and
// symbolic links where they exist.
func samePath(a, b string) bool { return resolved(a) == resolved(b) }

func resolved(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}
