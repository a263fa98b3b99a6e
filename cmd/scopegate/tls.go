package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
)

// tlsFlags configure TLS with clients and with the intake.
//
//nolint:lll // a struct tag can't be broken
type tlsFlags struct {
	Cert           string        `name:"tls-cert" field:"TLS.CertFile" group:"TLS" placeholder:"PATH" env:"SCOPEGATE_TLS_CERT" help:"PEM file with the server's certificate, followed by intermediate ones. All TLS files are reloaded when they change."`
	Key            string        `name:"tls-key" field:"TLS.KeyFile" group:"TLS" placeholder:"PATH" env:"SCOPEGATE_TLS_KEY" help:"PEM file with the certificate's key."`
	ClientCA       string        `name:"tls-client-ca" field:"TLS.ClientCAFile" group:"TLS" placeholder:"PATH" env:"SCOPEGATE_TLS_CLIENT_CA" help:"PEM file with authorities. Clients must show a certificate that one of them has signed (mTLS)."`
	MinVersion     tlsVersion    `name:"tls-min-version" field:"TLS.MinVersion" group:"TLS" placeholder:"VERSION" env:"SCOPEGATE_TLS_MIN_VERSION" help:"Lowest TLS version accepted from clients: 1.2 or 1.3."`
	ReloadInterval time.Duration `name:"tls-reload-interval" field:"TLS.ReloadInterval" group:"TLS" placeholder:"DURATION" env:"SCOPEGATE_TLS_RELOAD_INTERVAL" help:"How often to check the TLS files for changes, including those for the intake."`
	InsecureListen bool          `group:"TLS" env:"SCOPEGATE_INSECURE_LISTEN" help:"Allow serving without TLS on addresses that other hosts can reach."`

	IntakeCA   string `name:"intake-ca" field:"Intake.TLS.CAFile" group:"Intake" placeholder:"PATH" env:"SCOPEGATE_INTAKE_CA" help:"PEM file with the authorities to trust for the intake, instead of the system's."`
	IntakeCert string `name:"intake-cert" field:"Intake.TLS.CertFile" group:"Intake" placeholder:"PATH" env:"SCOPEGATE_INTAKE_CERT" help:"PEM file with a client certificate to show to the intake."`
	IntakeKey  string `name:"intake-key" field:"Intake.TLS.KeyFile" group:"Intake" placeholder:"PATH" env:"SCOPEGATE_INTAKE_KEY" help:"PEM file with that certificate's key."`
}

// checkAddresses fails if other hosts could reach an address without TLS, unless the
// flags permit it. setting is the place of the flag that has the addresses.
func (f *tlsFlags) checkAddresses(ctx context.Context, setting string, addresses []string) error {
	if f.Cert != "" || f.InsecureListen {
		return nil
	}
	for _, address := range addresses {
		if strings.HasPrefix(address, settings.UnixScheme) {
			continue
		}
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			continue // listening will say so
		}
		isLocal, err := isLoopbackHost(ctx, host)
		if err != nil {
			return &settings.UsageError{Err: fmt.Errorf("%s: %q: %w", setting, address, err)}
		}
		if !isLocal {
			return exposedError(setting, address)
		}
	}
	return nil
}

// checkListeners checks the addresses actually listened on, because a host's name can
// resolve to another address by then. It warns of those without TLS.
func (f *tlsFlags) checkListeners(
	ctx context.Context, setting string, listeners []net.Listener, logger *slog.Logger,
) error {
	if f.Cert != "" {
		return nil
	}
	for _, l := range listeners {
		switch {
		case isLoopback(l.Addr()):
			continue
		case !f.InsecureListen:
			return exposedError(setting, addressOf(l))
		}
		logger.WarnContext(ctx, "PLAINTEXT: anyone on the network can read uploads and tokens; see --tls-cert",
			"address", addressOf(l), "allowed_by", "--insecure-listen")
	}
	return nil
}

func exposedError(setting, address string) error {
	return &settings.UsageError{Err: fmt.Errorf("%s: %q: other hosts can reach this address without TLS: "+
		"set --tls-cert and --tls-key, listen on 127.0.0.1 or a unix socket, "+
		"or, on a trusted network, set --insecure-listen", setting, address)}
}

// isLoopbackHost reports whether only this host can reach a host. An empty host means
// all addresses.
func isLoopbackHost(ctx context.Context, host string) (bool, error) {
	if host == "" {
		return false, nil
	}
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return false, err
	}
	for _, address := range addresses {
		if !address.Unmap().IsLoopback() {
			return false, nil
		}
	}
	if len(addresses) == 0 {
		return false, errors.New("the host has no address")
	}
	return true, nil
}

// tlsVersion is the value of the flag for the TLS version, as crypto/tls numbers it.
type tlsVersion uint16

// String returns the version's name, such as 1.3.
func (v tlsVersion) String() string { return strings.TrimPrefix(tls.VersionName(uint16(v)), "TLS ") }

// UnmarshalText reads a version's name.
func (v *tlsVersion) UnmarshalText(text []byte) error {
	for _, known := range []tlsVersion{tls.VersionTLS12, tls.VersionTLS13} {
		if string(text) == known.String() {
			*v = known
			return nil
		}
	}
	return errors.New("must be 1.2 or 1.3")
}
