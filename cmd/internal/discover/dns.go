package discover

import (
	"context"
	"net"
)

func (f Finder) resolver() Resolver {
	if f.Resolver != nil {
		return f.Resolver
	}
	return net.DefaultResolver
}

// fromExchangers looks who takes the domain's mail: providers that the table
// knows serve many domains of their customers.
func (f Finder) fromExchangers(ctx context.Context, address Address) []Finding {
	ctx, cancel := context.WithTimeout(ctx, question)
	defer cancel()
	// Some usable records may come with an error about others.
	records, _ := f.resolver().LookupMX(ctx, address.Domain)
	for _, record := range records {
		p, place, ok := byMX(record.Host)
		if !ok {
			continue
		}
		if found, ok := known(p, place, address, "DNS: mail for "+address.Domain+" is delivered to "+p.Name); ok {
			return []Finding{found}
		}
	}
	return nil
}

// services are the SRV records that name mail servers, the best first. (RFC
// 6186, section 3; RFC 8314, section 5.1)
var services = []struct{ name, scheme string }{
	{"imaps", "imaps"}, {"imap", "imap"}, {"pop3s", "pop3s"}, {"pop3", "pop3"},
}

// fromServices asks for the domain's SRV records.
func (f Finder) fromServices(ctx context.Context, address Address) []Finding {
	ctx, cancel := context.WithTimeout(ctx, question)
	defer cancel()
	answers := make(chan int, len(services))
	found := make([][]Finding, len(services))
	for i, service := range services {
		go func() {
			defer func() { answers <- i }()
			_, records, _ := f.resolver().LookupSRV(ctx, service.name, "tcp", address.Domain)
			for _, record := range records {
				// A target of "." says that there is no such service.
				if s, ok := server(service.scheme, address.Text, record.Target, int(record.Port)); ok {
					found[i] = append(found[i], Finding{Server: s, Source: "DNS: the SRV record _" + service.name + "._tcp." + address.Domain})
				}
			}
		}()
	}
	for range services {
		<-answers
	}
	var list []Finding
	for _, some := range found {
		list = append(list, some...)
	}
	return list
}
