package oauth

import (
	"slices"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/endpoints"
)

// Google returns a client with Google's addresses. A refresh token comes only
// with access_type=offline, and again only when the user is asked again.
func Google(c Client) Client {
	c = c.fill(endpoints.Google, "https://mail.google.com/")
	c.InParams = true
	c.Extra = map[string]string{"access_type": "offline", "prompt": "consent"}
	// The device flow refuses the scope for mail.
	return c
}

// Microsoft returns a client with Microsoft's addresses. Protocol is "imap" or
// "pop3".
func Microsoft(c Client, tenant, protocol string) Client {
	scope := "https://outlook.office.com/IMAP.AccessAsUser.All"
	if protocol == "pop3" {
		scope = "https://outlook.office.com/POP.AccessAsUser.All"
	}
	c = c.fill(endpoints.AzureAD(tenant), scope, "offline_access")
	c.InParams = true
	// Only there any port is allowed besides the registered one.
	c.RedirectHost = "localhost"
	return c
}

// fill sets what is not set.
func (c Client) fill(endpoint oauth2.Endpoint, scopes ...string) Client {
	for _, field := range []struct {
		have *string
		want string
	}{{&c.AuthURL, endpoint.AuthURL}, {&c.TokenURL, endpoint.TokenURL}, {&c.DeviceURL, endpoint.DeviceAuthURL}} {
		if *field.have == "" {
			*field.have = field.want
		}
	}
	if len(c.Scopes) == 0 {
		c.Scopes = slices.Clone(scopes)
	}
	return c
}
