// Package restore presents a store as another server is to have it.
//
// Names decides, once, what each of the store's mailboxes is called on the
// other server; Source is the store with these names, and with the dates and
// flags that its state remembers better than its files can tell.
package restore
