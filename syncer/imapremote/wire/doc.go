// Package wire is the shared socket: a hardened transport and the streaming
// data plane.
//
// A Conn owns one stream to an IMAP server and has two users that take turns.
// The control plane is an IMAP client library which reads and writes the Conn
// as a net.Conn; it is shown only answers that were checked and rewritten. The
// data plane is an Exchange, lent by Conn.Raw while the control plane has
// nothing in flight; it streams what is large and forgives what is odd.
//
// Invariants:
//   - Nothing is allocated by a size that the server names before the size was
//     compared with a cap (Limits).
//   - A literal that ends early is an error, never a short message.
//   - An error that leaves the place in the stream unknown closes the socket;
//     Err then says why, and every later call returns that.
//   - Cancelling a context, Close and a lack of progress unblock every call.
//   - No secret is kept: what the control plane writes is not logged or stored.
package wire
