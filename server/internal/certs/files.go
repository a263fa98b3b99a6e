package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/scopegate/scopegate/server/textfile"
)

// Files are paths of PEM files (RFC 7468).
type Files struct {
	// Cert has a certificate, followed by intermediate ones, and Key its key. Set both or
	// neither.
	Cert, Key string
	// CA has certificates of authorities. It may be empty.
	CA string
}

// Given reports whether any file is set.
func (f Files) Given() bool { return f != Files{} }

// Role is what one of the [Files] has, in words.
type Role string

// The roles of the fields of [Files].
const (
	RoleCert Role = "certificate"
	RoleKey  Role = "key"
	RoleCA   Role = "CA certificates"
)

// FileError is an error in one of the [Files].
type FileError struct {
	Role Role
	Err  error
}

func (e *FileError) Error() string { return e.Err.Error() }
func (e *FileError) Unwrap() error { return e.Err }

func wrong(role Role, path string, err error) error {
	return &FileError{role, fmt.Errorf("%s %s: %w", role, path, err)}
}

// Material is the content of the files.
type Material struct {
	Certificate *tls.Certificate // nil if Files.Cert is empty
	Authorities *x509.CertPool   // nil if Files.CA is empty
}

// contents are the contents of the files, for comparison.
type contents struct{ cert, key, ca string }

// maxReads limits the attempts to read the same content twice in a row.
const maxReads = 5

// read returns the contents of the files at one moment, so that a certificate and its key
// match even if they are replaced meanwhile.
func (f Files) read() (contents, error) {
	last, err := f.readOnce()
	for range maxReads {
		again, againErr := f.readOnce()
		if againErr == nil && err == nil && again == last {
			break
		}
		last, err = again, againErr
	}
	return last, err
}

// maxFileBytes is several times a bundle of all public authorities.
const maxFileBytes = 4 << 20

func (f Files) readOnce() (c contents, err error) {
	for _, file := range []struct {
		role    Role
		path    string
		content *string
	}{{RoleCert, f.Cert, &c.cert}, {RoleKey, f.Key, &c.key}, {RoleCA, f.CA, &c.ca}} {
		if file.path == "" {
			continue
		}
		content, err := textfile.Read(file.path, maxFileBytes)
		if err != nil {
			return contents{}, &FileError{file.role, fmt.Errorf("%s: %w", file.role, err)}
		}
		*file.content = string(content)
	}
	return c, nil
}

// Load returns the content of the files. It fails if they can't be read, do not match,
// have expired or are not valid yet.
func Load(f Files) (Material, error) {
	read, err := f.read()
	if err != nil {
		return Material{}, err
	}
	return f.parse(read, time.Now())
}

// parse parses and checks the contents. Its errors do not quote the key.
func (f Files) parse(c contents, now time.Time) (Material, error) {
	var m Material
	if f.Cert != "" {
		if err := checkChain(c.cert); err != nil {
			return Material{}, wrong(RoleCert, f.Cert, err)
		}
		if err := checkKey(c.key); err != nil {
			return Material{}, wrong(RoleKey, f.Key, err)
		}
		pair, err := tls.X509KeyPair([]byte(c.cert), []byte(c.key))
		if err != nil {
			return Material{}, wrong(RoleCert, f.Cert+" with key "+f.Key, err)
		}
		if err := valid(pair.Leaf, now); err != nil {
			return Material{}, wrong(RoleCert, f.Cert, err)
		}
		m.Certificate = &pair
	}
	if f.CA != "" {
		pool, err := parseAuthorities(c.ca, now)
		if err != nil {
			return Material{}, wrong(RoleCA, f.CA, err)
		}
		m.Authorities = pool
	}
	return m, nil
}

// parseAuthorities returns the certificates of a bundle. At least one must be valid.
func parseAuthorities(content string, now time.Time) (*x509.CertPool, error) {
	found, err := blocks(content)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	invalid := errNoCertificate
	usable := false
	for _, block := range found {
		certificate, err := block.certificate()
		if err != nil {
			return nil, err
		}
		pool.AddCert(certificate)
		if err := valid(certificate, now); err != nil {
			invalid = err
			continue
		}
		usable = true
	}
	if !usable {
		return nil, invalid
	}
	return pool, nil
}

var errNoCertificate = errors.New("contains no certificate")

// checkChain checks all certificates of a chain; tls.X509KeyPair only checks the first. The
// file may also have the key, and parameters.
func checkChain(content string) error {
	found, err := blocks(content)
	if err != nil {
		return err
	}
	missing := errNoCertificate
	for _, block := range found {
		if block.isKey() || block.isParameters() {
			continue
		}
		if _, err := block.certificate(); err != nil {
			return err
		}
		missing = nil
	}
	return missing
}

func checkKey(content string) error {
	found, err := blocks(content)
	if err != nil {
		return err
	}
	for _, block := range found {
		if block.isEncrypted() {
			return fmt.Errorf("line %d: the key is encrypted with a passphrase: "+
				"decrypt it with `openssl pkey -in FILE -out FILE`", block.line)
		}
		if block.isKey() {
			return nil
		}
	}
	return errors.New("contains no private key")
}

func valid(c *x509.Certificate, now time.Time) error {
	switch {
	case now.After(c.NotAfter):
		return fmt.Errorf("expired at %s", c.NotAfter.Format(time.RFC3339))
	case now.Before(c.NotBefore):
		return fmt.Errorf("not valid before %s", c.NotBefore.Format(time.RFC3339))
	}
	return nil
}
