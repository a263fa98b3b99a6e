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
	// Cert is a certificate, followed by the intermediate ones, and Key its key.
	// Both or neither are given.
	Cert, Key string
	// CA is one or more certificates of authorities. Empty: there is none.
	CA string
}

// Given tells that there is any file.
func (f Files) Given() bool { return f != Files{} }

// Material is what the files hold.
type Material struct {
	// Certificate is nil where Files.Cert is empty.
	Certificate *tls.Certificate
	// Authorities is nil where Files.CA is empty.
	Authorities *x509.CertPool
}

// contents are those of the files, to be compared.
type contents struct{ cert, key, ca string }

// maxReads bounds how often the files are read for the same content twice.
const maxReads = 5

// read returns the files' contents as they were at one time: where they are
// swapped all together, a certificate isn't read before that and its key after.
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
		role, path string
		content    *string
	}{{"certificate", f.Cert, &c.cert}, {"key", f.Key, &c.key}, {"CA certificates", f.CA, &c.ca}} {
		if file.path == "" {
			continue
		}
		content, err := textfile.Read(file.path, maxFileBytes)
		if err != nil {
			return contents{}, fmt.Errorf("%s: %w", file.role, err)
		}
		*file.content = string(content)
	}
	return c, nil
}

// Load returns what the files hold now. It fails where they can't be read, do not
// fit together, or have expired or are not valid yet.
func Load(f Files) (Material, error) {
	read, err := f.read()
	if err != nil {
		return Material{}, err
	}
	return f.parse(read, time.Now())
}

// parse returns what can be used at that time, or why it can't be. Its errors hold
// nothing of the key.
func (f Files) parse(c contents, now time.Time) (Material, error) {
	var m Material
	if f.Cert != "" {
		if err := checkChain(c.cert); err != nil {
			return Material{}, fmt.Errorf("certificate %s: %w", f.Cert, err)
		}
		if err := checkKey(c.key); err != nil {
			return Material{}, fmt.Errorf("key %s: %w", f.Key, err)
		}
		pair, err := tls.X509KeyPair([]byte(c.cert), []byte(c.key))
		if err != nil {
			return Material{}, fmt.Errorf("certificate %s with key %s: %w", f.Cert, f.Key, err)
		}
		if err := valid(pair.Leaf, now); err != nil {
			return Material{}, fmt.Errorf("certificate %s: %w", f.Cert, err)
		}
		m.Certificate = &pair
	}
	if f.CA != "" {
		pool, err := parseAuthorities(c.ca, now)
		if err != nil {
			return Material{}, fmt.Errorf("CA certificates %s: %w", f.CA, err)
		}
		m.Authorities = pool
	}
	return m, nil
}

// parseAuthorities returns the certificates of a bundle, one of which must be valid at
// that time.
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

var errNoCertificate = errors.New("there is no certificate in it")

// checkChain checks each certificate of a chain, and not only the first as
// tls.X509KeyPair does. The file may also hold the key, and parameters.
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
			return fmt.Errorf("line %d: the key is encrypted, and nobody can enter its passphrase here: "+
				"decrypt it with `openssl pkey -in FILE -out FILE`", block.line)
		}
		if block.isKey() {
			return nil
		}
	}
	return errors.New("there is no private key in it")
}

func valid(c *x509.Certificate, now time.Time) error {
	switch {
	case now.After(c.NotAfter):
		return fmt.Errorf("it expired at %s", c.NotAfter.Format(time.RFC3339))
	case now.Before(c.NotBefore):
		return fmt.Errorf("it is not valid before %s", c.NotBefore.Format(time.RFC3339))
	}
	return nil
}
