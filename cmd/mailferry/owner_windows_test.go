package main

// ownedLike has nothing to do: there are no servers of other users' here.
func ownedLike(_, _ string) error { return nil }
