package wire

// NOTIFY: the server tells of all mailboxes over one connection. (RFC 5465)

// Notify asks for news of the selected mailbox and of all others of the user,
// and of mailboxes that come and go: they are announced from then on as EXISTS,
// EXPUNGE, VANISHED, FETCH, STATUS and LIST, until NOTIFICATIONOVERFLOW, behind
// which there are none. Requires NOTIFY. Ask once on a connection: Dovecot 2.3
// falls silent about the others when it is asked again.
func (x *Exchange) Notify() error {
	const message = "MessageNew MessageExpunge FlagChange"
	return x.do(&command{name: "NOTIFY"}, words(" SET (selected ("+message+")) (personal ("+message+" MailboxName))"))
}
