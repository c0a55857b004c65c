// Package vault keeps secrets where only the user can read them: in the
// desktop's keyring, else in a folder.
package vault
