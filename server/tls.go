package server

import (
	"cmp"
	"crypto/tls"
	"errors"
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

// TLSConfig secures clients' TCP connections. Unix sockets are protected by the
// permissions of the socket's file and do not use TLS. The files are PEM and may be replaced
// at any time: new connections use the new files, open ones stay open. See docs/tls.md.
type TLSConfig struct {
	// CertFile is the server's certificate, followed by the intermediate ones, and
	// KeyFile its key. Both empty: connections are in plain text.
	CertFile, KeyFile string
	// ClientCAFile holds the certificates of the authorities that may sign clients'
	// certificates. Empty: clients need no certificate.
	ClientCAFile string
	// MinVersion is the lowest version accepted: tls.VersionTLS12 or tls.VersionTLS13.
	MinVersion uint16
	// ReloadInterval is how often the files, and those of the intake, are checked for
	// changes.
	ReloadInterval time.Duration
}

// IntakeTLSConfig configures connections to an https intake, with TLS 1.2 or newer.
// The files are PEM and may be replaced at any time.
type IntakeTLSConfig struct {
	// CAFile holds the certificates of the authorities to trust for the intake. Empty:
	// the system's.
	CAFile string
	// CertFile is a client certificate for the intake, followed by the intermediate
	// ones, and KeyFile its key. Both empty: none.
	CertFile, KeyFile string
}

// ClientConfig reads the files and returns a configuration for any client. It does not
// follow later changes.
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
		return refused("TLS.ClientCAFile", textfile.Name(t.ClientCAFile), "requires the server's own certificate and key")
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
			return refused(given.field, textfile.Name(given.path), "requires an intake URL with https")
		}
	}
	return nil
}

// file is a setting that names a file.
type file struct{ field, path string }

// validateFiles does not show a value that is not a path, because it may be a key.
func validateFiles(cert, key, authorities file) error {
	for _, given := range []file{cert, key, authorities} {
		if strings.ContainsAny(given.path, "\r\n") || strings.Contains(given.path, "-----BEGIN") {
			return refusedSecret(given.field, "is the content of a file, not its path")
		}
	}
	switch {
	case cert.path != "" && key.path == "":
		return refused(cert.field, textfile.Name(cert.path), "is set without the file of its private key")
	case key.path != "" && cert.path == "":
		return refused(key.field, textfile.Name(key.path), "is set without the file of its certificate")
	}
	return nil
}

func (t TLSConfig) files() certs.Files {
	return certs.Files{Cert: t.CertFile, Key: t.KeyFile, CA: t.ClientCAFile}
}

func (t IntakeTLSConfig) files() certs.Files {
	return certs.Files{Cert: t.CertFile, Key: t.KeyFile, CA: t.CAFile}
}

// certificates holds the files' content; each is nil if no file is given.
type certificates struct{ server, intake *certs.Store }

func openCertificates(cfg Config, logger *slog.Logger) (c certificates, err error) {
	if files := cfg.TLS.files(); files.Given() {
		if c.server, err = certs.Open(files, cfg.TLS.build, logger.With("tls", "server")); err != nil {
			return certificates{}, inFile(err, "TLS.CertFile", "TLS.KeyFile", "TLS.ClientCAFile")
		}
	}
	if files := cfg.Intake.TLS.files(); files.Given() {
		if c.intake, err = certs.Open(files, cfg.Intake.TLS.build, logger.With("tls", "intake")); err != nil {
			return certificates{}, inFile(err, "Intake.TLS.CertFile", "Intake.TLS.KeyFile", "Intake.TLS.CAFile")
		}
	}
	return c, nil
}

// inFile returns err as a [*FileError] about one of three fields.
func inFile(err error, cert, key, ca string) error {
	wrong, ok := errors.AsType[*certs.FileError](err)
	if !ok {
		return err
	}
	field := map[certs.Role]string{certs.RoleCert: cert, certs.RoleKey: key, certs.RoleCA: ca}[wrong.Role]
	return &FileError{Field: field, Err: err}
}

// configureIntake returns cfg with the intake's certificates.
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

// invalid says what is wrong with the files as they are now, or "".
func (c certificates) invalid() (wrong string) {
	c.each(func(store *certs.Store) { wrong = cmp.Or(wrong, store.Invalid()) })
	return wrong
}

func (c certificates) close() { c.each((*certs.Store).Close) }

// build returns the configuration of a connection. It disables resumption, which would
// admit clients whose certificate is no longer accepted.
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

// credentials returns the credentials of clients' connections.
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
