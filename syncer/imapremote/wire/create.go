package wire

// CreateRow is what became of one of the mailboxes that CreateAll was to make.
type CreateRow struct {
	// Name is in wire octets, as it was asked for.
	Name string
	// Create, Subscribe and Select are the refusals of the commands, nil where
	// they were carried out.
	Create, Subscribe, Select error
	// Selected is how the mailbox is then, if it could be opened.
	Selected Selected
}

// creating is CREATE, SUBSCRIBE and SELECT of a mailbox in flight.
type creating struct {
	create, subscribe *command
	open              *opening
}

// CreateAll makes mailboxes in the order given, subscribes to each and opens it,
// all of it in pipelined commands, and hands them over in that order. The last
// one that could be opened last stays open. A server carries out in order what
// depends on each other. (RFC 9051, section 5.5) There are to be few enough
// names for both sides' socket buffers to hold the commands and their answers.
func (x *Exchange) CreateAll(names []string, condStore bool, row func(CreateRow)) error {
	var all []creating
	for _, name := range names {
		c := creating{create: &command{name: "CREATE"}, subscribe: &command{name: "SUBSCRIBE"}}
		for _, cmd := range []*command{c.create, c.subscribe} {
			if err := x.begin(cmd, words(" "), stringArg(name)); err != nil {
				return err
			}
		}
		var err error
		if c.open, err = x.beginSelect(SelectRequest{Name: name, CondStore: condStore}); err != nil {
			return err
		}
		all = append(all, c)
	}
	for i, c := range all {
		r := CreateRow{Name: names[i]}
		var err error
		if r.Create, err = x.refusal(c.create); err != nil {
			return err
		}
		if r.Subscribe, err = x.refusal(c.subscribe); err != nil {
			return err
		}
		r.Selected, r.Select = c.open.await()
		if r.Select != nil && c.open.cmd.refusal == nil {
			return r.Select
		}
		row(r)
	}
	return nil
}

// refusal awaits a command's answer and tells a refusal from the stream's error.
func (x *Exchange) refusal(cmd *command) (refused, err error) {
	err = x.await(cmd)
	if cmd.refusal != nil {
		return cmd.refusal, nil
	}
	return nil, err
}
