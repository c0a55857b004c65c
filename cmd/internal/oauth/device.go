package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"golang.org/x/oauth2"

	"mailferry/syncer/mailbox"
)

// SignInByDevice lets the user type a code on a page, in any browser. show is
// told both. Errors are those of Renew, or ctx's. (RFC 8628)
func (c Client) SignInByDevice(ctx context.Context, show func(page, code string)) (Token, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errPatience)
	defer cancel()
	if c.DeviceURL == "" {
		return Token{}, fmt.Errorf("sign in by code: no oauth_device_url is known: %w", errors.ErrUnsupported)
	}
	var device *oauth2.DeviceAuthResponse
	var hide []string
	return c.exchange(ctx, "sign in", "", &hide, func(ctx context.Context, config *oauth2.Config) (_ *oauth2.Token, err error) {
		if device == nil {
			if device, err = config.DeviceAuth(ctx); err != nil {
				return nil, err
			}
			if err := checkDevice(device); err != nil {
				return nil, err
			}
			hide = append(hide, device.DeviceCode)
			show(device.VerificationURI, device.UserCode)
		}
		token, err := config.DeviceAccessToken(ctx, device)
		if errors.Is(err, context.DeadlineExceeded) && !time.Now().Before(device.Expiry) {
			err = context.DeadlineExceeded // whatever it was doing then
		}
		return token, err
	})
}

// checkDevice: what is shown to the user is a page, and a code to be typed.
func checkDevice(device *oauth2.DeviceAuthResponse) error {
	u, err := url.Parse(device.VerificationURI)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || device.UserCode == "" || device.DeviceCode == "" ||
		len(device.UserCode) > 64 || device.Interval > int64(patience/time.Second) {
		return fmt.Errorf("sign in: %w: the authorization server names no page and code", mailbox.ErrProtocol)
	}
	return nil
}
