package uploading

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
)

// Targets returns the addresses in the form of package client. Its errors are a
// [*settings.UsageError], which may suggest another address.
func Targets(setting string, addresses []string) ([]string, error) {
	targets := make([]string, len(addresses))
	var wrong []error
	for i, address := range addresses {
		target, err := serverTarget(address)
		if err != nil {
			if i := strings.LastIndexByte(address, '@'); i >= 0 {
				address = "…" + address[i:] // without a password
			}
			wrong = append(wrong, fmt.Errorf("%s: %q: %w", setting, address, err))
		}
		if len(addresses) == 1 && strings.HasPrefix(target, "[") {
			// The only target is a URL, in which the % of a zone is escaped.
			target = "passthrough:///" + strings.ReplaceAll(target, "%", "%25")
		}
		targets[i] = target
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, &settings.UsageError{Err: err}
	}
	return targets, nil
}

// serverTarget returns an address in the form of package client. It accepts a socket's
// path as serve prints it, and gRPC's own forms.
func serverTarget(address string) (string, error) {
	if path, isUnix := strings.CutPrefix(address, settings.UnixScheme); isUnix {
		if err := settings.CheckSocketPath(path); err != nil {
			return "", err
		}
		u := url.URL{Scheme: "unix", Path: path} // gRPC decodes it
		return u.String(), nil
	}
	if strings.HasPrefix(address, "unix-abstract:") || strings.HasPrefix(address, "unix:") {
		return address, nil
	}
	for _, scheme := range []string{"dns:///", "passthrough:///"} {
		if rest, ok := strings.CutPrefix(address, scheme); ok {
			_, err := serverTarget(rest)
			return address, err
		}
	}
	host, port, err := net.SplitHostPort(address)
	if err == nil && settings.IsPort(port) && settings.IsHost(host) {
		return address, nil
	}
	if meant := meantServer(address); meant != "" {
		return "", fmt.Errorf("neither host:port nor unix:///path; did you mean %s?", meant)
	}
	switch {
	case strings.Contains(address, "/"):
	case err == nil && settings.IsHost(host):
		return "", fmt.Errorf("%q is not a port from 1 to 65535", port)
	case err == nil && settings.IsPort(port):
		return "", fmt.Errorf("%q is neither a host name nor an IP address", host)
	}
	return "", errors.New("neither host:port nor unix:///path")
}

// defaultServerPort is the port of `serve` without --listen.
const defaultServerPort = "50051"

// meantServer guesses the address that was meant. It returns "" if it has no guess.
func meantServer(address string) string {
	meant := strings.Trim(address, "\"'` ")
	if path, isPath := strings.CutPrefix(meant, "/"); isPath {
		return settings.UnixScheme + "/" + path
	}
	scheme, rest, found := strings.Cut(meant, "://")
	if !found {
		scheme, rest = "", meant
	}
	rest, _, _ = strings.Cut(rest, "/")
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	host, port, err := net.SplitHostPort(rest)
	switch {
	case err != nil:
		host, port = splitUnbracketed(rest)
	case host == "":
		host = "127.0.0.1"
	}
	if !settings.IsHost(host) || !settings.IsPort(port) {
		return ""
	}
	meant = net.JoinHostPort(host, port)
	if strings.EqualFold(scheme, "https") || strings.EqualFold(scheme, "grpcs") {
		return meant + " with --tls"
	}
	return meant
}

// splitUnbracketed splits a host without a port, or an IPv6 address without brackets,
// whose last group may be a port.
func splitUnbracketed(address string) (host, port string) {
	bare := strings.TrimSuffix(strings.TrimPrefix(address, "["), "]")
	if i := strings.LastIndexByte(bare, ':'); i > 0 && bare == address {
		// ::1:50051 is an address too, but a group has at most four digits.
		if _, err := netip.ParseAddr(bare); err != nil || len(bare)-i > len(":ffff") {
			return bare[:i], bare[i+1:]
		}
	}
	return bare, defaultServerPort
}
