package certs

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
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

func (f Files) readOnce() (c contents, err error) {
	for _, file := range []struct {
		path    string
		content *string
	}{{f.Cert, &c.cert}, {f.Key, &c.key}, {f.CA, &c.ca}} {
		if file.path == "" {
			continue
		}
		if *file.content, err = readFile(file.path); err != nil {
			return contents{}, err
		}
	}
	return c, nil
}

// maxFileBytes is several times a bundle of all public authorities.
const maxFileBytes = 4 << 20

func readFile(path string) (string, error) {
	// Opening a pipe could take for ever.
	stat, err := os.Stat(path)
	switch {
	case err != nil:
		return "", err
	case !stat.Mode().IsRegular():
		return "", fmt.Errorf("%s: it is not a regular file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxFileBytes+1))
	if err != nil {
		return "", err
	}
	if len(content) > maxFileBytes {
		return "", fmt.Errorf("%s: it is longer than %d bytes", path, maxFileBytes)
	}
	return string(content), nil
}

// parse returns what can be used at that time, or why it can't be. Its errors hold
// nothing of the key.
func (f Files) parse(c contents, now time.Time) (Material, error) {
	var m Material
	if f.Cert != "" {
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

// parseAuthorities is stricter than x509.CertPool, which passes over what it can't
// parse. Of a bundle, one certificate must be valid at that time.
func parseAuthorities(content string, now time.Time) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	invalid := errors.New("there is no certificate in it")
	usable := false
	for rest := []byte(content); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("there is a %q in it", block.Type)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
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

func valid(c *x509.Certificate, now time.Time) error {
	switch {
	case now.After(c.NotAfter):
		return fmt.Errorf("it expired at %s", c.NotAfter.Format(time.RFC3339))
	case now.Before(c.NotBefore):
		return fmt.Errorf("it is not valid before %s", c.NotBefore.Format(time.RFC3339))
	}
	return nil
}
