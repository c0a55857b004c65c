// Package synctest proves implementations of syncer's ports.
//
// Only tests import it. It has three things to prove them with:
//
//   - conformance suites (TestRemote, TestLocal, TestBase) that hold each
//     sentence of the ports' contracts as a subtest;
//   - the model (Model, Disk, State): in-memory implementations of all ports,
//     with other clients and mail readers who interfere, answers that get
//     lost, and processes that die between any two effects. They are what the
//     contracts mean, and cheap enough for hundreds of thousands of histories;
//   - servers (StartDovecot, StartCyrus, StartMemory, StartRogue) together with
//     a witness, a small IMAP client that shares no code with mailferry's own.
package synctest
