package uploading

import (
	"crypto/tls"
	"errors"
	"fmt"

	"google.golang.org/grpc/credentials/insecure"

	"github.com/scopegate/scopegate/client"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
	"github.com/scopegate/scopegate/server"
)

// SecurityFlags configure the security of a client's connections. A command that embeds
// them gives its variables' prefix.
//
//nolint:lll // a struct tag can't be broken
type SecurityFlags struct {
	Plaintext  bool   `group:"Server" xor:"tls" env:"PLAINTEXT" help:"Do not use TLS, even to another host."`
	TLS        bool   `name:"tls" group:"Server" xor:"tls" env:"TLS" help:"Use TLS, even to this host. --ca, --cert, --key and --server-name imply it. By default TLS is used only to other hosts."`
	CA         string `name:"ca" group:"Server" placeholder:"PATH" env:"CA" help:"PEM file with the authorities to trust for the server, instead of the system's."`
	Cert       string `name:"cert" group:"Server" placeholder:"PATH" env:"CERT" help:"PEM file with a client certificate to show to the server."`
	Key        string `name:"key" group:"Server" placeholder:"PATH" env:"KEY" help:"PEM file with that certificate's key."`
	ServerName string `name:"server-name" group:"Server" placeholder:"HOST" env:"SERVER_NAME" help:"Host name that the server's certificate must have. By default the host of --server."`
}

// Options returns the client's options, or none to leave the choice to the client.
func (f *SecurityFlags) Options() ([]client.Option, error) {
	config, err := f.TLSConfig()
	switch {
	case err != nil:
		return nil, err
	case f.Plaintext:
		return []client.Option{client.WithTransportCredentials(insecure.NewCredentials()), client.WithPlaintextToken()}, nil
	case config == nil:
		return nil, nil
	}
	return []client.Option{client.WithTLS(config)}, nil
}

// TLSConfig returns the configuration of TLS if a flag asks for TLS, and otherwise nil.
func (f *SecurityFlags) TLSConfig() (*tls.Config, error) {
	given := f.CA != "" || f.Cert != "" || f.Key != "" || f.ServerName != ""
	switch {
	case f.Plaintext && given:
		return nil, &settings.UsageError{Err: errors.New("--plaintext can't be used with --ca, --cert, --key or --server-name")}
	case !f.TLS && !given:
		return nil, nil //nolint:nilnil // nobody asked
	}
	if (f.Cert == "") != (f.Key == "") {
		return nil, &settings.UsageError{Err: errors.New("--cert and --key must be used together")}
	}
	// Two configurations, so that an error names the flag.
	trusted, err := server.IntakeTLSConfig{CAFile: f.CA}.ClientConfig()
	if err != nil {
		return nil, &settings.UsageError{Err: fmt.Errorf("--ca: %w", err)}
	}
	config, err := server.IntakeTLSConfig{CertFile: f.Cert, KeyFile: f.Key}.ClientConfig()
	if err != nil {
		return nil, &settings.UsageError{Err: fmt.Errorf("--cert and --key: %w", err)}
	}
	config.RootCAs, config.ServerName = trusted.RootCAs, f.ServerName
	return config, nil
}
