package intake

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"unicode"

	"github.com/scopegate/scopegate/server/internal/secret"
)

// CheckURL returns an error if [New] would refuse the URL. Its text continues a sentence
// about the URL, and does not repeat it.
func CheckURL(raw string) error {
	_, _, err := parseURL(raw)
	return err
}

// ExposesKey reports whether an API key travels to the URL unencrypted.
func ExposesKey(url string, key secret.Secret) bool {
	return !key.IsZero() && strings.HasPrefix(strings.ToLower(url), "http://")
}

// maxSocketPathBytes limits the path of a unix socket: 107 bytes on Linux.
const maxSocketPathBytes = len(syscall.RawSockaddrUnix{}.Path) - 1

var errNoURL = errors.New("is not http://host/path, https://host/path or unix:///path/to/socket:/path/of/url")

// parseURL returns the URL to post to, and the unix socket to dial if there is one. Its
// errors do not repeat the URL, which may contain a password.
func parseURL(raw string) (target *url.URL, socket string, err error) {
	u, err := url.Parse(raw)
	if err != nil || strings.ContainsFunc(raw, unicode.IsSpace) { // a key may follow the blank
		return nil, "", errNoURL
	}
	switch {
	case u.Scheme == "unix" && u.Host == "":
		socket, path, found := strings.Cut(u.Path, ":")
		if !found || socket == "" || !strings.HasPrefix(path, "/") {
			return nil, "", errNoURL
		}
		if len(socket) > maxSocketPathBytes {
			return nil, "", fmt.Errorf("has the path of a socket longer than %d bytes", maxSocketPathBytes)
		}
		return &url.URL{Scheme: "http", Host: "localhost", Path: path, RawQuery: u.RawQuery}, socket, nil
	case (u.Scheme == "http" || u.Scheme == "https") && u.Host != "":
		if port, err := strconv.ParseUint(u.Port(), 10, 16); u.Port() != "" && (err != nil || port == 0) {
			return nil, "", errors.New("has a port that is not between 1 and 65535")
		}
		return u, "", nil
	}
	return nil, "", errNoURL
}

// Host returns where batches go, for display: scheme, host and port of the URL, or the
// path of the unix socket. It contains no secrets.
func (c *Client) Host() string {
	if c.socket != "" {
		return "unix://" + c.socket
	}
	return c.url.Scheme + "://" + c.url.Host
}
