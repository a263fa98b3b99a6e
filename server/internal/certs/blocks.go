package certs

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"

	"github.com/scopegate/scopegate/server/textfile"
)

// block is a block of a PEM file.
type block struct {
	*pem.Block

	line int // of its BEGIN
}

// blocks returns the blocks of a PEM file. Unlike pem.Decode it does not skip damaged
// blocks: a BEGIN or END without its counterpart is an error, and so is text after the
// last END, because a truncated file has them. There may be other text before a block
// (RFC 7468), and lines that start with # are ignored. Errors name lines but quote
// nothing.
func blocks(content string) ([]block, error) {
	// Joined files may each start with a mark.
	rest := []byte(strings.ReplaceAll(content, textfile.BOM, ""))
	var found []block
	for line := 1; ; {
		decoded, after := pem.Decode(rest)
		if decoded == nil {
			return found, checkRest(rest, line)
		}
		consumed := rest[:len(rest)-len(after)]
		begins, ends := marks(consumed)
		if len(begins) != 1 || len(ends) != 1 {
			return nil, fmt.Errorf("line %d: damaged PEM block", line+first(begins, ends))
		}
		found = append(found, block{Block: decoded, line: line + begins[0]})
		line += bytes.Count(consumed, []byte("\n"))
		rest = after
	}
}

// checkRest checks the text after the last block. line is the line at which that text
// starts.
func checkRest(rest []byte, line int) error {
	if begins, ends := marks(rest); len(begins)+len(ends) > 0 {
		return fmt.Errorf("line %d: damaged PEM block, or truncated file", line+first(begins, ends))
	}
	text := bytes.TrimLeft(rest, " \t\r\n")
	if len(text) == 0 {
		return nil
	}
	return fmt.Errorf("line %d: text outside the PEM blocks; the file may be truncated",
		line+bytes.Count(rest[:len(rest)-len(text)], []byte("\n")))
}

// marks returns the lines, from 0, of each BEGIN and each END (RFC 7468, section 3). A line
// can have both if files without a final newline were joined.
func marks(text []byte) (begins, ends []int) {
	n := 0
	for line := range bytes.Lines(text) {
		if !bytes.HasPrefix(bytes.TrimSpace(line), []byte("#")) {
			begins = append(begins, slices.Repeat([]int{n}, bytes.Count(line, []byte("-----BEGIN")))...)
			ends = append(ends, slices.Repeat([]int{n}, bytes.Count(line, []byte("-----END")))...)
		}
		n++
	}
	return begins, ends
}

// first returns the first of the lines. There must be one.
func first(begins, ends []int) int { return slices.Min(slices.Concat(begins, ends)) }

// certificate parses the block as a certificate.
func (b block) certificate() (*x509.Certificate, error) {
	if b.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("line %d: found a %q block, want a CERTIFICATE", b.line, b.Type)
	}
	parsed, err := x509.ParseCertificate(b.Bytes)
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", b.line, err)
	}
	return parsed, nil
}

// isKey reports whether tls.X509KeyPair takes the block for a key.
func (b block) isKey() bool {
	return b.Type == "PRIVATE KEY" || strings.HasSuffix(b.Type, " PRIVATE KEY")
}

func (b block) isParameters() bool { return strings.HasSuffix(b.Type, " PARAMETERS") }

// isEncrypted reports whether the block is a key with a passphrase: in PKCS #8 (RFC 5958)
// or OpenSSL's older form (RFC 1421, section 4.6.1.1).
func (b block) isEncrypted() bool {
	return b.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(b.Headers["Proc-Type"], "ENCRYPTED")
}
