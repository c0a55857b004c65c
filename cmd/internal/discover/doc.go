// Package discover finds out which server has the mail of an address.
//
// What is known of a provider is in a table. For other addresses these are
// asked, all of them capped in time and size: the domain's own configuration
// file over HTTPS, Mozilla's database of providers, DNS, and servers with the
// names that servers usually have.
//
// Nothing here sends a password, and nothing that is found is used without
// asking: a Finding says where it comes from and whether that source speaks for
// the address's domain.
package discover
