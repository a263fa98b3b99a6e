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

	line int // where it begins
}

// blocks returns the blocks of a PEM file. Unlike pem.Decode it passes over nothing
// that may once have been a block: a BEGIN or an END that belongs to none is an error,
// and so is text behind the last END, as both are what is left of a file that was cut.
// In front of a block there may be other text, as RFC 7468 has it, and lines that begin
// with # may say anything. Errors name lines and repeat nothing.
func blocks(content string) ([]block, error) {
	// Files of which each begins with a mark may have been joined.
	rest := []byte(strings.ReplaceAll(content, textfile.BOM, ""))
	var found []block
	for line := 1; ; {
		decoded, after := pem.Decode(rest)
		if decoded == nil {
			return found, checkRest(rest, line)
		}
		taken := rest[:len(rest)-len(after)]
		begins, ends := marks(taken)
		if len(begins) != 1 || len(ends) != 1 {
			return nil, fmt.Errorf("line %d: the block is damaged", line+first(begins, ends))
		}
		found = append(found, block{Block: decoded, line: line + begins[0]})
		line += bytes.Count(taken, []byte("\n"))
		rest = after
	}
}

// checkRest checks what follows the last block, at that line.
func checkRest(rest []byte, line int) error {
	if begins, ends := marks(rest); len(begins)+len(ends) > 0 {
		return fmt.Errorf("line %d: the block is damaged, or the file is cut off", line+first(begins, ends))
	}
	text := bytes.TrimLeft(rest, " \t\r\n")
	if len(text) == 0 {
		return nil
	}
	return fmt.Errorf("line %d: the text belongs to no PEM block; the file may be cut off",
		line+bytes.Count(rest[:len(rest)-len(text)], []byte("\n")))
}

// marks returns the lines, from 0, of each BEGIN and each END (RFC 7468, section 3).
// A line has both where files were joined whose last line does not end.
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

// first returns the first of the lines, of which there is one.
func first(begins, ends []int) int { return slices.Min(slices.Concat(begins, ends)) }

// certificate parses a block that must be a certificate.
func (b block) certificate() (*x509.Certificate, error) {
	if b.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("line %d: there is a %q in it", b.line, b.Type)
	}
	parsed, err := x509.ParseCertificate(b.Bytes)
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", b.line, err)
	}
	return parsed, nil
}

// isKey reports whether the block is one that tls.X509KeyPair takes for a key.
func (b block) isKey() bool {
	return b.Type == "PRIVATE KEY" || strings.HasSuffix(b.Type, " PRIVATE KEY")
}

func (b block) isParameters() bool { return strings.HasSuffix(b.Type, " PARAMETERS") }

// isEncrypted reports whether the block is a key with a passphrase: of PKCS #8 (RFC
// 5958) or in OpenSSL's older form (RFC 1421, section 4.6.1.1).
func (b block) isEncrypted() bool {
	return b.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(b.Headers["Proc-Type"], "ENCRYPTED")
}
