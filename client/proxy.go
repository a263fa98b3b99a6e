package client

import (
	"cmp"
	"errors"
	"net/url"
	"os"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

// checkProxy returns an error where the variable that names the proxy for gRPC does
// not: gRPC would do without a proxy then. The error does not repeat the value, which
// may hold a password.
func checkProxy() error {
	env := httpproxy.Config{HTTPSProxy: cmp.Or(os.Getenv("HTTPS_PROXY"), os.Getenv("https_proxy"))}
	if env.HTTPSProxy == "" {
		return nil
	}
	proxy, err := env.ProxyFunc()(&url.URL{Scheme: "https", Host: "server.invalid"})
	if err != nil || proxy == nil || proxy.Hostname() == "" || strings.HasSuffix(proxy.Host, ":") {
		name := "HTTPS_PROXY"
		if os.Getenv(name) == "" {
			name = "https_proxy"
		}
		return errors.New(name + " is not the address of a proxy: it must be host:port or http://host:port; " +
			"a % in its user or password is written %25")
	}
	return nil
}
