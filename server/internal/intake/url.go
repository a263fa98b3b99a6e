package intake

import (
	"errors"
	"net/url"
	"strings"
	"unicode"
)

// CheckURL returns an error where [New] would refuse the URL.
func CheckURL(raw string) error {
	_, _, err := parseURL(raw)
	return err
}

// parseURL returns the URL to post to and the unix socket to dial, if any. Its
// errors do not repeat the URL, which may hold a password.
func parseURL(raw string) (target *url.URL, socket string, err error) {
	u, err := url.Parse(raw)
	if err != nil || strings.ContainsFunc(raw, unicode.IsSpace) { // a blank may be followed by a key
		return nil, "", errors.New("parse intake URL: it is not a URL")
	}
	switch {
	case u.Scheme == "unix" && u.Path != "":
		socket, path, found := strings.Cut(u.Path, ":")
		if !found || socket == "" || !strings.HasPrefix(path, "/") {
			return nil, "", errors.New("parse intake URL: unix:///path/to/socket lacks :/path/of/url behind it")
		}
		return &url.URL{Scheme: "http", Host: "localhost", Path: path, RawQuery: u.RawQuery}, socket, nil
	case (u.Scheme == "http" || u.Scheme == "https") && u.Host != "":
		return u, "", nil
	}
	return nil, "", errors.New("parse intake URL: its scheme is not http, https or unix, or there is no host")
}
