package maildirout

// separator is ";" where a file name cannot have a colon.
const separator = ';'
