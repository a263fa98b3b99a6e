package certs

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/scopegate/scopegate/integration/pki"
)

// bundle returns two authorities, one behind the other.
func bundle(t *testing.T) (whole, one, two []byte) {
	t.Helper()
	one, two = pki.NewAuthority(t, "one").PEM, pki.NewAuthority(t, "two").PEM
	return slices.Concat(one, two), one, two
}

// TestCutFiles cuts a bundle at each byte, and takes away its beginning up to there.
// No part of an authority is passed over.
func TestCutFiles(t *testing.T) {
	t.Parallel()
	pair := pki.NewAuthority(t, "signer").Issue(t, "server")
	whole, one, two := bundle(t)
	text := []byte("# made by hand\n")
	whole = slices.Concat(text, whole)
	asAuthorities := func(content []byte) error {
		_, err := Files{CA: "ca"}.parse(contents{ca: string(content)}, time.Now())
		return err
	}
	asChain := func(content []byte) error {
		chain := slices.Concat(pair.Cert, content)
		_, err := Files{Cert: "cert", Key: "key"}.parse(contents{cert: string(chain), key: string(pair.Key)}, time.Now())
		return err
	}
	for n := range len(whole) + 1 {
		head, tail := whole[:n], whole[n:]
		within := bytes.TrimSpace(head)
		headGood := len(within) > len(text) && (bytes.HasSuffix(within, bytes.TrimSpace(one)) || bytes.HasSuffix(within, bytes.TrimSpace(two)))
		if err := asAuthorities(head); (err == nil) != headGood {
			t.Errorf("cut at %d of %d: %v, want %v", n, len(whole), err, headGood)
		}
		if err := asChain(head); (err == nil) != (headGood || n == 0) {
			t.Errorf("a chain, cut at %d of %d: %v, want an error unless it is empty or whole", n, len(whole), err)
		}
		// Without any mark of it the first is gone, and nobody can tell.
		tailGood := n <= len(text) || bytes.Count(tail, []byte("-----BEGIN")) == 1 && bytes.Count(tail, []byte("-----END")) == 1
		if err := asAuthorities(tail); (err == nil) != tailGood {
			t.Errorf("without the first %d of %d: %v", n, len(whole), err)
		}
	}
}

// TestDamagedFiles alters a bundle in ways that pem.Decode passes over.
func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	_, one, two := bundle(t)
	join := func(parts ...string) string { return strings.Join(parts, "") }
	first, second := string(one), string(two)
	half := func(s string) string { return s[:len(s)/2] + "\n" }
	lines := strings.Count(first, "\n")
	if lines != strings.Count(second, "\n") {
		t.Fatal("the authorities have not as many lines")
	}
	for name, test := range map[string]struct{ content, want string }{
		"the first is cut":       {join(half(first), second), "line 1: damaged PEM block"},
		"the second is cut":      {join(first, half(second)), "truncated file"},
		"joined without a line":  {join(strings.TrimSpace(first), second), "damaged PEM block"},
		"indented":               {join("  ", strings.ReplaceAll(first, "\n", "\n  "), "\n", second), "line 1: damaged PEM block"},
		"four dashes":            {join(first, second[1:]), "damaged PEM block"},
		"a typing error":         {join(first, strings.Replace(second, "BEGIN", "BEGNI", 1)), "damaged PEM block"},
		"no base64":              {join(first, strings.Replace(second, "MI", "M?", 1)), "damaged PEM block"},
		"another END":            {join(strings.Replace(first, "END CERTIFICATE", "END X", 1), second), "line 1: damaged PEM block"},
		"text behind":            {join(first, second, "\n\nhello\n"), "text outside the PEM blocks"},
		"a BEGIN that is cut":    {join(first, "-----BEG"), "text outside the PEM blocks"},
		"zeros behind":           {join(first, "\x00\x00"), "text outside the PEM blocks"},
		"line ends of old Macs":  {strings.ReplaceAll(join(first, second), "\n", "\r"), "line 1: damaged PEM block"},
		"another type":           {join(first, strings.ReplaceAll(second, "CERTIFICATE", "TRUSTED CERTIFICATE")), `found a "TRUSTED CERTIFICATE" block`},
		"an ASN.1 error":         {join(first, strings.Replace(second, "MI", "AA", 1)), "x509"},
		"no PEM":                 {"hello", "line 1: text outside the PEM blocks"},
		"a comment behind":       {join(first, "# the end\n"), "text outside the PEM blocks"},
		"whole":                  {join(first, second), ""},
		"one":                    {first, ""},
		"no last line end":       {strings.TrimSpace(join(first, second)), ""},
		"line ends of Windows":   {strings.ReplaceAll(join(first, second), "\n", "\r\n"), ""},
		"marks":                  {join("\ufeff", first, "\ufeff", second), ""},
		"text in front":          {join("Subject: one\n", first, "\nSubject: two\n", second, " \n\t\r\n"), ""},
		"a comment of one":       {join("# ", strings.ReplaceAll(first, "\n", "\n# "), "\n", second), ""},
		"nothing":                {"", "contains no certificate"},
		"a mark and nothing":     {"\ufeff", "contains no certificate"},
		"cut at a block's begin": {join(first, second[:len("-----BEGIN CERTIFICATE-----\n")]), "truncated file"},
	} {
		_, err := Files{CA: "ca"}.parse(contents{ca: test.content}, time.Now())
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	for name, test := range map[string]struct {
		content string
		line    int
	}{
		"second":             {join(first, "\n", half(second)), lines + 2},
		"behind some text":   {join(first, "a\nb\n", half(second), first), lines + 3},
		"text at the end":    {join(first, second, "\n\nx"), 2*lines + 3},
		"END without BEGIN":  {join(first, second[30:]), 2*lines - 1},
		"third, not a CA":    {join(first, second, "\n", strings.Replace(first, "MI", "AA", 1)), 2*lines + 2},
		"END of two in line": {join(first, strings.TrimSpace(second), first), lines + 1},
	} {
		_, err := Files{CA: "ca"}.parse(contents{ca: test.content}, time.Now())
		if want := "line " + strconv.Itoa(test.line) + ":"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}
