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

// tlsFlags say how clients and the intake are spoken to.
//
//nolint:lll // a struct tag can't be broken
type tlsFlags struct {
	Cert           string        `name:"tls-cert" field:"TLS.CertFile" group:"TLS" placeholder:"PATH" env:"SCOPEGATE_TLS_CERT" help:"PEM file with the server's certificate, followed by the intermediate ones. It and the other files are loaded again when they change."`
	Key            string        `name:"tls-key" field:"TLS.KeyFile" group:"TLS" placeholder:"PATH" env:"SCOPEGATE_TLS_KEY" help:"PEM file with the certificate's key."`
	ClientCA       string        `name:"tls-client-ca" field:"TLS.ClientCAFile" group:"TLS" placeholder:"PATH" env:"SCOPEGATE_TLS_CLIENT_CA" help:"PEM file with the authorities one of which must have signed a client's certificate (mTLS). By default clients need none."`
	MinVersion     tlsVersion    `name:"tls-min-version" field:"TLS.MinVersion" group:"TLS" placeholder:"VERSION" env:"SCOPEGATE_TLS_MIN_VERSION" help:"Least version of TLS that clients may speak: 1.2 or 1.3."`
	ReloadInterval time.Duration `name:"tls-reload-interval" field:"TLS.ReloadInterval" group:"TLS" placeholder:"DURATION" env:"SCOPEGATE_TLS_RELOAD_INTERVAL" help:"How often the TLS files, and those of the intake, are looked at."`
	InsecureListen bool          `group:"TLS" env:"SCOPEGATE_INSECURE_LISTEN" help:"Serve in plain text also on addresses that other hosts can reach. Without TLS, only loopback addresses and unix sockets are served."`

	IntakeCA   string `name:"intake-ca" field:"Intake.TLS.CAFile" group:"Intake" placeholder:"PATH" env:"SCOPEGATE_INTAKE_CA" help:"PEM file with the authorities that the intake's certificate is trusted from, in place of the system's."`
	IntakeCert string `name:"intake-cert" field:"Intake.TLS.CertFile" group:"Intake" placeholder:"PATH" env:"SCOPEGATE_INTAKE_CERT" help:"PEM file with a certificate to show to the intake."`
	IntakeKey  string `name:"intake-key" field:"Intake.TLS.KeyFile" group:"Intake" placeholder:"PATH" env:"SCOPEGATE_INTAKE_KEY" help:"PEM file with that certificate's key."`
}

// checkAddresses fails where other hosts could reach, in plain text, what is to be
// listened on, and that was not asked for.
func (f *tlsFlags) checkAddresses(ctx context.Context, addresses []string) error {
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
			return &settings.UsageError{Err: fmt.Errorf("listen on %q: %w", address, err)}
		}
		if !isLocal {
			return exposedError(address)
		}
	}
	return nil
}

// checkListeners looks at what is really listened on, as a host's name can come to
// mean another address, and says so where it is to be in plain text.
func (f *tlsFlags) checkListeners(ctx context.Context, listeners []net.Listener, logger *slog.Logger) error {
	if f.Cert != "" {
		return nil
	}
	for _, l := range listeners {
		switch {
		case isLoopback(l.Addr()):
			continue
		case !f.InsecureListen:
			return exposedError(addressOf(l))
		}
		logger.WarnContext(ctx, "PLAINTEXT: whoever is on the network can read what is uploaded here, and upload; see --tls-cert",
			"address", addressOf(l), "allowed_by", "--insecure-listen")
	}
	return nil
}

func exposedError(address string) error {
	return &settings.UsageError{Err: fmt.Errorf("listen on %q: other hosts can reach this address, and there is no TLS: "+
		"give --tls-cert and --tls-key, or listen on 127.0.0.1 or a unix socket, "+
		"or, on a network that is trusted, give --insecure-listen", address)}
}

// isLoopbackHost tells that a host is reached from this one alone. No host stands
// for all addresses.
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

// tlsVersion is a version of TLS that a flag takes, as crypto/tls numbers it.
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
	return errors.New("the value is none of 1.2, 1.3")
}
