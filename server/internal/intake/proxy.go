package intake

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

// ProxyError means that a proxy refused to connect us to the intake.
type ProxyError struct {
	// HTTPStatus is the status of the answer to CONNECT.
	HTTPStatus int
}

func (e *ProxyError) Error() string {
	return "the proxy refused CONNECT with " + statusText(e.HTTPStatus)
}

// statusText returns the status and its standard text, if it has one.
func statusText(status int) string {
	if text := http.StatusText(status); text != "" {
		return strconv.Itoa(status) + " " + text
	}
	return strconv.Itoa(status)
}

// proxyAnswered accepts 200 as the answer to CONNECT and nothing else. Its error does
// not repeat what the proxy says.
func proxyAnswered(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
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

// CheckProxies returns an error if an environment variable for a proxy is invalid. The
// error does not repeat the value, which may contain a password.
func CheckProxies() error {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY"} {
		if name, value := variable(name); value != "" && !isProxy(value) {
			return fmt.Errorf("%s is not the address of a proxy: it must be host:port, or a URL with the scheme "+
				"http, https or socks5; a %% in its user or password is written %%25", name)
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
	if err := CheckProxies(); err != nil {
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
