package former

import "strings"

// KeepApart gives an account a store beside an earlier one's where the other
// program had both in one folder, or one inside the other's.
func KeepApart(accounts []Account) {
	var taken []Account
	for i := range accounts {
		account := &accounts[i]
		mine := account.store()
		for _, other := range taken {
			theirs := other.store()
			if mine == "" || !strings.HasPrefix(mine+"/", theirs+"/") && !strings.HasPrefix(theirs+"/", mine+"/") {
				continue
			}
			outer := theirs
			if len(mine) < len(theirs) {
				outer = mine
			}
			account.set("store", outer+"-"+account.Name)
			account.note("its folder was %s, which %s has part in; mailferry keeps each account in a folder of its own: move its mailboxes there", mine, other.Name)
			break
		}
		if mine != "" {
			taken = append(taken, *account)
		}
	}
}

func (a *Account) store() string {
	for _, entry := range a.Entries {
		if path, ok := entry.Value.(string); ok && entry.Key == "store" {
			return strings.TrimRight(path, "/")
		}
	}
	return ""
}
