package intake

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unicode"

	"golang.org/x/net/http/httpproxy"

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

// MaxSocketPathBytes limits the path of a unix socket: 107 bytes on Linux.
const MaxSocketPathBytes = len(syscall.RawSockaddrUnix{}.Path) - 1

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
		if len(socket) > MaxSocketPathBytes {
			return nil, "", fmt.Errorf("has a socket path longer than %d bytes", MaxSocketPathBytes)
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

// secretsOf returns the secrets that the intake, or the proxy before it, is sent: the
// key, the credentials in the URLs in every form in which they travel, and the longer
// values in the intake's query.
func secretsOf(apiKey secret.Secret, target, proxy *url.URL) []secret.Secret {
	secrets := []secret.Secret{apiKey}
	for _, u := range []*url.URL{target, proxy} {
		if u == nil || u.User == nil {
			continue
		}
		password, _ := u.User.Password()
		basic := base64.StdEncoding.EncodeToString([]byte(u.User.Username() + ":" + password))
		secrets = append(secrets, secret.New(password), secret.New(basic))
		if len(u.User.Username()) >= minQuerySecret {
			secrets = append(secrets, secret.New(u.User.Username()))
		}
	}
	for _, values := range target.Query() {
		for _, value := range values {
			if len(value) >= minQuerySecret {
				secrets = append(secrets, secret.New(value))
			}
		}
	}
	return secrets
}

// minQuerySecret is the length from which a value is treated as a secret.
const minQuerySecret = 6

// ProxyError means that a proxy refused to connect us to the intake.
type ProxyError struct {
	// HTTPStatus is the status of the answer to CONNECT.
	HTTPStatus int
}

func (e *ProxyError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("the proxy refused CONNECT with %d %s", e.HTTPStatus, http.StatusText(e.HTTPStatus)))
}

// checkProxyAnswer accepts only 200 as the answer to CONNECT. Its error does not quote
// the proxy.
func checkProxyAnswer(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	return &ProxyError{HTTPStatus: answer.StatusCode}
}

// Proxy returns scheme, host and port of the proxy that batches go through, for display.
// It is empty if there is none, and contains no secrets.
func (c *Client) Proxy() string {
	if c.proxy == nil {
		return ""
	}
	return c.proxy.Scheme + "://" + c.proxy.Host
}

// throughProxy adds the proxy to an error that the proxy may have caused.
func (c *Client) throughProxy(err error, connected bool) error {
	if c.proxy == nil || connected && !c.isRelayed() {
		return err
	}
	return fmt.Errorf("through proxy %s: %w", c.Proxy(), err)
}

// isRelayed reports whether a proxy reads the requests, so that it may answer them
// itself.
func (c *Client) isRelayed() bool {
	return c.proxy != nil && c.url.Scheme == "http" && strings.HasPrefix(c.proxy.Scheme, "http")
}

// checkProxies returns an error if an environment variable for a proxy is invalid. The
// error does not repeat the value, which may contain a password.
func checkProxies() error {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY"} {
		if name, value := variable(name); value != "" && !isProxy(value) {
			return fmt.Errorf("%s is not the address of a proxy: use host:port, or a URL with the scheme "+
				"http, https or socks5; write %% in a user or password as %%25", name)
		}
	}
	return nil
}

// variable returns the environment variable of that name, or else its lower-case form,
// in the order of net/http.
func variable(name string) (found, value string) {
	if value := os.Getenv(name); value != "" {
		return name, value
	}
	name = strings.ToLower(name)
	return name, os.Getenv(name)
}

// isProxy reports whether net/http can use the value of a variable as a proxy.
func isProxy(value string) bool {
	env := httpproxy.Config{HTTPProxy: value}
	u, err := env.ProxyFunc()(&url.URL{Scheme: "http", Host: "intake.invalid"})
	if err != nil || u == nil || u.Hostname() == "" {
		return false
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return false
		}
	} else if u.Host[len(u.Host)-1] == ':' {
		return false
	}
	return slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme)
}

// proxyFor returns the proxy that the environment names for the target, or nil.
func proxyFor(target *url.URL, socket string) (*url.URL, error) {
	if err := checkProxies(); err != nil {
		return nil, err
	}
	if socket != "" {
		return nil, nil //nolint:nilnil // no proxy
	}
	env := httpproxy.Config{CGI: os.Getenv("REQUEST_METHOD") != ""}
	_, env.HTTPProxy = variable("HTTP_PROXY")
	_, env.HTTPSProxy = variable("HTTPS_PROXY")
	_, env.NoProxy = variable("NO_PROXY")
	proxy, err := env.ProxyFunc()(target)
	if err != nil {
		return nil, fmt.Errorf("choose a proxy: %w", err)
	}
	return proxy, nil
}
