// Package ui renders what a run reports: for people, as JSON, as progress.
//
// What servers and mailboxes are called is not to be trusted: all text from
// there goes through Escape before it reaches a terminal.
package ui
