package mailbox

import "strings"

// machinePrefix begins the keyword by which a machine says on the server that
// it has a verified copy of the message.
const machinePrefix = "$FerryHas_"

// MachineFlag is the keyword of a machine. The name is one that IsMachine
// takes.
func MachineFlag(machine string) Flags { return NewFlags(machinePrefix + machine) }

// IsMachine reports whether a name can stand for a machine: letters, digits,
// and any of - _ . in a length that servers take for a keyword.
func IsMachine(name string) bool {
	other := strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
	return name != "" && len(name) <= 32 && other == ""
}

// SplitMachines takes the keywords of machines out of a message's flags: they
// are between the archives of several machines and no flags of the message.
func SplitMachines(flags Flags) (rest, machines Flags) {
	if flags.keywords == "" {
		return flags, Flags{}
	}
	var names []string
	for name := range strings.FieldsSeq(flags.keywords) {
		if len(name) > len(machinePrefix) && strings.EqualFold(name[:len(machinePrefix)], machinePrefix) {
			names = append(names, name)
		}
	}
	if names == nil {
		return flags, Flags{}
	}
	machines = NewFlags(names...)
	return flags.Minus(machines), machines
}
