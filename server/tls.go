package server

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/scopegate/scopegate/server/internal/certs"
	"github.com/scopegate/scopegate/server/internal/grpcwire"
	"github.com/scopegate/scopegate/server/internal/intake"
	"github.com/scopegate/scopegate/server/textfile"
)

// TLSConfig says how clients' connections over TCP are secured. Those over unix
// sockets are guarded by the permissions of the socket's file, and have no TLS.
// The files are PEM, and may be replaced at any time: new connections then use the
// new ones, and open ones go on. docs/tls.md says how.
type TLSConfig struct {
	// CertFile is the server's certificate, followed by the intermediate ones, and
	// KeyFile its key. Both empty: connections are in plain text.
	CertFile, KeyFile string
	// ClientCAFile has the certificates of the authorities one of which must have
	// signed a client's certificate. Empty: clients are not asked for one.
	ClientCAFile string
	// MinVersion is the least version that is spoken, tls.VersionTLS13 or
	// tls.VersionTLS12.
	MinVersion uint16
	// ReloadInterval is how often the files, and those of the intake, are looked
	// at.
	ReloadInterval time.Duration
}

// IntakeTLSConfig says how the intake is spoken to over https, TLS 1.2 or newer.
// The files are PEM, and may be replaced at any time.
type IntakeTLSConfig struct {
	// CAFile has the certificates of the authorities that the intake's certificate
	// is trusted from, in place of the system's. Empty: the system's.
	CAFile string
	// CertFile is a certificate to show to the intake, followed by the intermediate
	// ones, and KeyFile its key. Both empty: none is shown.
	CertFile, KeyFile string
}

// ClientConfig returns the configuration that the files make now, for any client. It
// fails where a file can't be used. New ones are not followed.
func (t IntakeTLSConfig) ClientConfig() (*tls.Config, error) {
	material, err := certs.Load(t.files())
	if err != nil {
		return nil, err
	}
	return t.build(material), nil
}

func defaultTLS() TLSConfig {
	return TLSConfig{MinVersion: tls.VersionTLS13, ReloadInterval: 10 * time.Second}
}

func (t TLSConfig) validate() error {
	err := validateFiles(
		file{"TLS.CertFile", t.CertFile}, file{"TLS.KeyFile", t.KeyFile}, file{"TLS.ClientCAFile", t.ClientCAFile})
	switch {
	case err != nil:
		return err
	case t.ClientCAFile != "" && t.CertFile == "":
		return refused("TLS.ClientCAFile", textfile.Name(t.ClientCAFile), "needs a certificate and a key of the server's own")
	case t.MinVersion != tls.VersionTLS12 && t.MinVersion != tls.VersionTLS13:
		return refused("TLS.MinVersion", fmt.Sprintf("%#x", t.MinVersion), "is neither TLS 1.2 nor TLS 1.3")
	case t.ReloadInterval <= 0:
		return refused("TLS.ReloadInterval", t.ReloadInterval, isNotPositive)
	}
	return nil
}

func (t IntakeTLSConfig) validate(intakeURL string) error {
	cert, authorities := file{"Intake.TLS.CertFile", t.CertFile}, file{"Intake.TLS.CAFile", t.CAFile}
	if err := validateFiles(cert, file{"Intake.TLS.KeyFile", t.KeyFile}, authorities); err != nil {
		return err
	}
	if strings.HasPrefix(strings.ToLower(intakeURL), "https://") {
		return nil
	}
	for _, given := range []file{cert, authorities} {
		if given.path != "" {
			return refused(given.field, textfile.Name(given.path), "is for an https URL, which the intake's is not")
		}
	}
	return nil
}

// file is a setting that names a file.
type file struct{ field, path string }

// validateFiles does not repeat what is no path, as that may be a key.
func validateFiles(cert, key, authorities file) error {
	for _, given := range []file{cert, key, authorities} {
		if strings.ContainsAny(given.path, "\r\n") || strings.Contains(given.path, "-----BEGIN") {
			return refusedSecret(given.field, "is not a path but the content of a file")
		}
	}
	switch {
	case cert.path != "" && key.path == "":
		return refused(cert.field, textfile.Name(cert.path), "has no key")
	case key.path != "" && cert.path == "":
		return refused(key.field, textfile.Name(key.path), "has no certificate")
	}
	return nil
}

func (t TLSConfig) files() certs.Files {
	return certs.Files{Cert: t.CertFile, Key: t.KeyFile, CA: t.ClientCAFile}
}

func (t IntakeTLSConfig) files() certs.Files {
	return certs.Files{Cert: t.CertFile, Key: t.KeyFile, CA: t.CAFile}
}

// certificates are what is kept of files; each is nil where no file is given.
type certificates struct{ server, intake *certs.Store }

func openCertificates(cfg Config, logger *slog.Logger) (c certificates, err error) {
	if files := cfg.TLS.files(); files.Given() {
		if c.server, err = certs.Open(files, cfg.TLS.build, logger.With("tls", "server")); err != nil {
			return certificates{}, fmt.Errorf("TLS: %w", err)
		}
	}
	if files := cfg.Intake.TLS.files(); files.Given() {
		if c.intake, err = certs.Open(files, cfg.Intake.TLS.build, logger.With("tls", "intake")); err != nil {
			return certificates{}, fmt.Errorf("intake TLS: %w", err)
		}
	}
	return c, nil
}

// configureIntake has the intake's client use what is kept for it.
func (c certificates) configureIntake(cfg intake.Config) intake.Config {
	if c.intake != nil {
		cfg.TLS = c.intake.Config
	}
	return cfg
}

func (c certificates) each(do func(*certs.Store)) {
	for _, store := range []*certs.Store{c.server, c.intake} {
		if store != nil {
			do(store)
		}
	}
}

func (c certificates) watch(interval time.Duration) {
	c.each(func(store *certs.Store) { store.Watch(interval) })
}

func (c certificates) close() { c.each((*certs.Store).Close) }

// build makes the configuration of a connection. There is no resumption: it would
// let in clients whose certificate is not accepted any more.
func (t TLSConfig) build(m certs.Material) *tls.Config {
	config := &tls.Config{
		Certificates:           []tls.Certificate{*m.Certificate},
		MinVersion:             t.MinVersion,
		SessionTicketsDisabled: true,
	}
	if m.Authorities != nil {
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, m.Authorities
	}
	return config
}

func (t IntakeTLSConfig) build(m certs.Material) *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: m.Authorities}
	if m.Certificate != nil {
		config.Certificates = []tls.Certificate{*m.Certificate}
	}
	return config
}

// credentials are those that the server's connections begin with.
func (s *Server) credentials() credentials.TransportCredentials {
	plain := insecure.NewCredentials()
	store := s.certificates.server
	if store == nil {
		return plain
	}
	return &grpcwire.Secured{
		TransportCredentials: credentials.NewTLS(&tls.Config{
			MinVersion:         s.config.TLS.MinVersion,
			GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return store.Config(), nil },
		}),
		Plain: plain,
		Log:   s.limitedLog,
	}
}
