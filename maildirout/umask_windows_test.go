package maildirout

func setUmask(mask int) int { return mask }
