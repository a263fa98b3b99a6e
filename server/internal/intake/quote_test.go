package intake_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/klauspost/compress/zstd"

	"github.com/scopegate/scopegate/server/internal/intake"
	"github.com/scopegate/scopegate/server/internal/secret"
)

// encoded returns the text in a content coding.
func encoded(t *testing.T, coding, text string) string {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	var err error
	switch coding {
	case "gzip":
		w = gzip.NewWriter(&out)
	case "deflate":
		w = zlib.NewWriter(&out)
	case "deflate, without a frame":
		w, err = flate.NewWriter(&out, flate.BestSpeed)
	case "zstd":
		w, err = zstd.NewWriter(&out)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestRefusalsAreQuoted has an intake say why it refuses in ways that are, or are
// not, text.
func TestRefusalsAreQuoted(t *testing.T) {
	t.Parallel()
	const key = "key-of-secrets"
	bomb := strings.Repeat("boom, ", 200_000)
	for name, test := range map[string]struct{ encoding, body, want string }{
		"text":                     {"", "no such org", "no such org"},
		"nothing":                  {"", "", ""},
		"nothing, gzipped":         {"gzip", "", ""},
		"gzip":                     {"gzip", encoded(t, "gzip", "no such org"), "no such org"},
		"gzip, by its old name":    {" X-GZip ", encoded(t, "gzip", "no such org"), "no such org"},
		"gzip, of a secret":        {"gzip", encoded(t, "gzip", "bad key "+key), "bad key [redacted]"},
		"gzip, cut off":            {"gzip", encoded(t, "gzip", "no such org"+bomb)[:40], "no such o"},
		"gzip, a bomb":             {"gzip", encoded(t, "gzip", bomb), "boom, "},
		"gzip, only said":          {"gzip", "no such org", "(a body that can't be decoded: gzip: invalid header)"},
		"gzip, not said":           {"", encoded(t, "gzip", strings.Repeat("no such org", 20)), "(a body that is not text)"},
		"gzip of gzip":             {"gzip", encoded(t, "gzip", encoded(t, "gzip", bomb)), "(a body that is not text)"},
		"gzip, twice":              {"gzip, gzip", "x", `(a body that can't be decoded: unsupported encoding "gzip, gzip")`},
		"deflate":                  {"deflate", encoded(t, "deflate", "no such org"), "no such org"},
		"deflate, without a frame": {"deflate", encoded(t, "deflate, without a frame", "no such org"), "no such org"},
		"deflate, a bomb":          {"deflate", encoded(t, "deflate", bomb), "boom, "},
		"deflate, only said":       {"deflate", "no such org", "(a body that can't be decoded"},
		"zstd":                     {"zstd", encoded(t, "zstd", "no such org"), `(a body that can't be decoded: unsupported encoding "zstd")`},
		"br":                       {"br", "\x0b\x05\x80no such org\x03", `(a body that can't be decoded: unsupported encoding "br")`},
		"one of its own":           {strings.Repeat("x", 2000), "x", "(a body that can't be decoded"},
		"one with a secret":        {key, "x", `(a body that can't be decoded: unsupported encoding "[redacted]")`},
		"garbage":                  {"", strings.Repeat("\x00\x01\xfe\xff\x80", 500), "(a body that is not text)"},
		"UTF-16":                   {"", "\xff\xfen\x00o\x00", "(a body that is not text)"},
		"an escape sequence":       {"", "no \x1b[31morg\x1b[0m such", "no  [31morg [0m such"},
		"lines":                    {"", "no\r\nsuch\torg\n", "no  such org"},
		"broken UTF-8":             {"", "no such \xc3org, or one that ends in \xf0\x9f", "no such org, or one that ends in"},
		"a secret, hidden":         {"", "bad key key-of\xff-secrets", "bad key [redacted]"},
		"a secret at the end":      {"", strings.Repeat("x", 505) + key + strings.Repeat("x", 505), strings.Repeat("x", 505) + "[re"},
		"a secret within garbage":  {"", strings.Repeat("\xff", 100) + strings.Repeat("x", 300) + key + "yy", strings.Repeat("x", 100)},
		"text the other way":       {"", "no \u202esuch\u202c org", "no  such  org"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Type", "text/plain")
				if test.encoding != "" {
					w.Header().Set("Content-Encoding", test.encoding)
				}
				w.WriteHeader(http.StatusForbidden)
				_, _ = io.WriteString(w, test.body)
			}))
			t.Cleanup(server.Close)
			client := newClient(t, intake.Config{URL: server.URL, APIKey: secret.New(key), PostTimeout: time.Minute})
			answer := failure(t, client, t.Context()).Answer
			if !strings.HasPrefix(answer, test.want) || test.want == "" && answer != "" {
				t.Errorf("quoted as %.600q, want %q", answer, test.want)
			}
			if len(answer) > 512 || strings.Contains(answer, key) || strings.ContainsFunc(answer, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("quoted as %.600q, want at most 512 printable bytes without the key", answer)
			}
		})
	}
}

// TestErrorsAreShort has what an intake sends in place of an answer be quoted in
// errors no longer, and no less clean, than an answer.
func TestErrorsAreShort(t *testing.T) {
	t.Parallel()
	const key = "key-of-secrets"
	long := strings.Repeat("x\x1b", 10<<10) + key
	for name, said := range map[string]string{
		"no HTTP":           key + long,
		"no version":        "HTTP/" + key + long + " 200 OK\r\n\r\n",
		"no status":         "HTTP/1.1 " + key + long + "\r\n\r\n",
		"no header":         "HTTP/1.1 200 OK\r\n" + key + "\x1b" + long + "\r\n\r\n",
		"no length":         "HTTP/1.1 200 OK\r\nContent-Length: " + key + long + "\r\n\r\n",
		"no known transfer": "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + key + long + "\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var seen attempts
				client := newClient(t, intake.Config{
					URL: "http://intake.test/", APIKey: secret.New(key), PostTimeout: time.Second, BatchDeadline: time.Second, Retry: once(),
				}, intake.OnAttempt(seen.add))
				handling := piped(client, says(said+"\r\n\r\n"))
				failed := failure(t, client, t.Context())
				for _, text := range []string{failed.Error(), seen.all()[0].Reason} {
					if text == "" || len(text) > 600 || strings.Contains(text, key) || strings.Contains(text, "\x1b") {
						t.Errorf("%d bytes, want some, at most 600, without the key: %.700q", len(text), text)
					}
				}
				client.Close()
				handling.Wait()
			})
		})
	}
}

// TestAnswerHeadersAreBounded has an intake send headers for as long as they are
// read, of one answer or of many interim ones.
func TestAnswerHeadersAreBounded(t *testing.T) {
	t.Parallel()
	const mostBytes = 64<<10 + 8<<10 // and what is read ahead
	for name, lines := range map[string][2]string{
		"many":    {"HTTP/1.1 200 OK\r\n", "X-Filler: " + strings.Repeat("x", 100) + "\r\n"},
		"one":     {"HTTP/1.1 200 OK\r\nX: ", strings.Repeat("x", 1<<10)},
		"interim": {"", "HTTP/1.1 103 Early Hints\r\nLink: " + strings.Repeat("x", 100) + "\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client := newClient(t, intake.Config{
					URL: "http://intake.test/", PostTimeout: time.Second, BatchDeadline: time.Second, Retry: once(),
				})
				sent := 0
				handling := piped(client, func(conn net.Conn) {
					request(conn)
					for text := lines[0]; ; text = lines[1] {
						n, err := io.WriteString(conn, text)
						if sent += n; err != nil {
							return
						}
					}
				})
				failed := failure(t, client, t.Context())
				client.Close()
				handling.Wait()
				if sent < 60<<10 || sent > mostBytes || !strings.Contains(failed.Error(), "headers exceeded 65536 bytes") {
					t.Errorf("%d bytes of headers were read: %v, want sent at least %v, sent at most %v and %q in it", sent, failed, 60<<10, mostBytes, "headers exceeded 65536 bytes")
				}
			})
		})
	}
}

// TestAnswerHeadersAreBoundedHTTP2 is the same for HTTP/2.
func TestAnswerHeadersAreBoundedHTTP2(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		size int
		ok   bool
	}{"as large as they may be": {60 << 10, true}, "larger": {70 << 10, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var seen attempts
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("X-Proto", r.Proto)
				w.Header().Set("X-Filler", strings.Repeat("x", test.size))
			}))
			server.EnableHTTP2 = true
			server.Config.ErrorLog = discardLog()
			server.StartTLS()
			t.Cleanup(server.Close)
			client := newClient(t, intake.Config{
				URL: server.URL, PostTimeout: time.Minute, BatchDeadline: time.Minute, Retry: once(),
				TLS: always(server.Client().Transport.(*http.Transport).TLSClientConfig), //nolint:errcheck,forcetypeassert // it is one
			}, intake.OnAttempt(seen.add))
			err := client.Forward(t.Context(), intake.Caller{}, smallBatch())
			if (err == nil) != test.ok {
				t.Errorf("Forward returned %v, want %v", err, test.ok)
			}
			if a := seen.all()[0]; !test.ok && a.Class != intake.ClassBroken {
				t.Errorf("%+v", a)
			}
		})
	}
}
