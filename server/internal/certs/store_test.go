package certs_test

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scopegate/scopegate/integration/leak"
	"github.com/scopegate/scopegate/integration/logged"
	"github.com/scopegate/scopegate/integration/pki"
	"github.com/scopegate/scopegate/server/internal/certs"
)

func TestMain(m *testing.M) { leak.Verify(m) }

const interval = 10 * time.Second

func build(m certs.Material) *tls.Config {
	config := &tls.Config{ClientCAs: m.Authorities, MinVersion: tls.VersionTLS13}
	if m.Certificate != nil {
		config.Certificates = []tls.Certificate{*m.Certificate}
	}
	return config
}

// folder is a directory with a certificate, its key and an authority.
type folder struct {
	t     *testing.T
	dir   string
	files certs.Files
}

func newFolder(t *testing.T, pair pki.Pair, ca []byte) *folder {
	t.Helper()
	f := &folder{t: t, dir: t.TempDir()}
	f.files = certs.Files{
		Cert: pki.Write(t, f.dir, "tls.crt", pair.Cert), Key: pki.Write(t, f.dir, "tls.key", pair.Key),
		CA: pki.Write(t, f.dir, "ca.crt", ca),
	}
	return f
}

// followed is a store that is watched.
type followed struct {
	*certs.Store
	t   *testing.T
	log logged.Text
}

func follow(t *testing.T, files certs.Files) *followed {
	t.Helper()
	f := &followed{t: t}
	store, err := certs.Open(files, build, slog.New(slog.NewTextHandler(&f.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	f.Store = store
	store.Watch(interval)
	return f
}

// pass lets time pass; all that the store does by then is done.
func (f *followed) pass(d time.Duration) {
	<-time.After(d + time.Millisecond)
	synctest.Wait()
}

func (f *followed) uses(pair pki.Pair) bool {
	return f.Config().Certificates[0].Leaf.SerialNumber.Cmp(pair.Serial) == 0
}

func (f *followed) mustUse(pair pki.Pair) {
	f.t.Helper()
	if !f.uses(pair) {
		f.t.Fatalf("another certificate is in use: %s", f.log.String())
	}
}

// rename is a way to replace a file; the others write it in place, or swap a part
// of a symlink's path as the kubelet does.
func rename(t *testing.T, f *folder, pair pki.Pair, ca []byte) {
	t.Helper()
	pki.Write(t, f.dir, "tls.crt", pair.Cert)
	pki.Write(t, f.dir, "tls.key", pair.Key)
	pki.Write(t, f.dir, "ca.crt", ca)
}

func inPlace(t *testing.T, f *folder, pair pki.Pair, ca []byte) {
	t.Helper()
	for path, content := range map[string][]byte{f.files.Cert: pair.Cert, f.files.Key: pair.Key, f.files.CA: ca} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// projected makes the folder one as Kubernetes mounts it: tls.crt is a symlink to
// ..data/tls.crt, and ..data one to a folder that is never changed.
func projected(t *testing.T, f *folder, version string, pair pki.Pair, ca []byte) {
	t.Helper()
	dir := filepath.Join(f.dir, version)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	rename(t, &folder{dir: dir}, pair, ca)
	next := filepath.Join(f.dir, "..data_tmp")
	if err := os.Symlink(version, next); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(f.dir, "..data")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tls.crt", "tls.key", "ca.crt"} {
		path := filepath.Join(f.dir, name)
		if target, err := os.Readlink(path); err == nil && target == filepath.Join("..data", name) {
			continue
		}
		_ = os.Remove(path)
		if err := os.Symlink(filepath.Join("..data", name), path); err != nil {
			t.Fatal(err)
		}
	}
}

// TestReplacedFiles replaces the files in each way that is usual.
func TestReplacedFiles(t *testing.T) {
	t.Parallel()
	for name, replace := range map[string]func(*testing.T, *folder, pki.Pair, []byte){
		"renamed":  rename,
		"in place": inPlace,
		"kubelet":  func(t *testing.T, f *folder, p pki.Pair, ca []byte) { t.Helper(); projected(t, f, "..2", p, ca) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				authority, other := pki.NewAuthority(t, "one"), pki.NewAuthority(t, "two")
				first, second := authority.Issue(t, "first"), other.Issue(t, "second")
				f := newFolder(t, first, authority.PEM)
				if name == "kubelet" {
					projected(t, f, "..1", first, authority.PEM)
				}
				store := follow(t, f.files)
				defer store.Close()
				before := store.Config()
				store.pass(3 * interval)
				if store.Config() != before {
					t.Error("the configuration changed though no file did")
				}
				store.mustUse(first)
				replace(t, f, second, other.PEM)
				store.pass(interval)
				store.mustUse(second)
				if !store.Config().ClientCAs.Equal(other.Pool()) {
					t.Error("the authority is the one before")
				}
				if got := store.log.Count("TLS files loaded"); got != 2 || store.log.Count("level=ERROR") != 0 {
					t.Errorf("loaded %d times: %s, want 2 and 0", got, store.log.String())
				}
			})
		})
	}
}

// TestUselessFiles puts what can't be used in the place of what can, and then
// something that can again.
func TestUselessFiles(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*testing.T, *folder, *pki.Authority){
		"garbage": func(t *testing.T, f *folder, _ *pki.Authority) {
			t.Helper()
			pki.Write(t, f.dir, "tls.crt", []byte("garbage"))
		},
		"no file": func(t *testing.T, f *folder, _ *pki.Authority) {
			t.Helper()
			if err := os.Remove(f.files.Key); err != nil {
				t.Fatal(err)
			}
		},
		"half a file": func(t *testing.T, f *folder, a *pki.Authority) {
			t.Helper()
			pair := a.Issue(t, "half")
			pki.Write(t, f.dir, "tls.key", pair.Key)
			pki.Write(t, f.dir, "tls.crt", pair.Cert[:len(pair.Cert)/2])
		},
		"another's key": func(t *testing.T, f *folder, a *pki.Authority) {
			t.Helper()
			pki.Write(t, f.dir, "tls.key", a.Issue(t, "another").Key)
		},
		"expired": func(t *testing.T, f *folder, a *pki.Authority) {
			t.Helper()
			rename(t, f, a.Issue(t, "expired", pki.Valid(-2*time.Hour, -time.Hour)), a.PEM)
		},
		"not yet valid": func(t *testing.T, f *folder, a *pki.Authority) {
			t.Helper()
			rename(t, f, a.Issue(t, "early", pki.Valid(12*time.Hour, 24*time.Hour)), a.PEM)
		},
		"half an authority": func(t *testing.T, f *folder, a *pki.Authority) {
			t.Helper()
			both := append(slices.Clone(a.PEM), pki.NewAuthority(t, "two").PEM...)
			pki.Write(t, f.dir, "ca.crt", both[:len(both)-40])
		},
		"half a chain": func(t *testing.T, f *folder, a *pki.Authority) {
			t.Helper()
			pair := a.Issue(t, "chained")
			chain := append(slices.Clone(pair.Cert), a.PEM...)
			pki.Write(t, f.dir, "tls.key", pair.Key)
			pki.Write(t, f.dir, "tls.crt", chain[:len(chain)-40])
		},
		"authority": func(t *testing.T, f *folder, _ *pki.Authority) {
			t.Helper()
			pki.Write(t, f.dir, "ca.crt", nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				authority := pki.NewAuthority(t, "one")
				first, second := authority.Issue(t, "first"), authority.Issue(t, "second")
				f := newFolder(t, first, authority.PEM)
				store := follow(t, f.files)
				defer store.Close()
				before := store.Config()
				spoil(t, f, authority)
				store.pass(10 * interval)
				if store.Config() != before {
					t.Error("what can't be used is in use")
				}
				if got := store.log.Count("keeping previous files"); got != 1 || store.log.Count("level=ERROR") != 1 {
					t.Errorf("logged %d times, want once: %s", got, store.log.String())
				}
				if store.Invalid() == "" {
					t.Error("the files count as valid")
				}
				store.pass(time.Hour)
				if got := store.log.Count("keeping previous files"); got != 2 {
					t.Errorf("logged %d times after an hour, want 2", got)
				}
				if store.log.Count("old_expires="+before.Certificates[0].Leaf.NotAfter.Format("2006-01-02T15:04")) == 0 {
					t.Errorf("it is not said when the old one expires: %s", store.log.String())
				}
				if store.log.Count("PRIVATE") != 0 {
					t.Error("a key was logged")
				}
				rename(t, f, first, authority.PEM)
				store.pass(3 * interval)
				if got := store.log.Count("TLS files valid again"); got != 1 || store.Invalid() != "" || store.Config() != before {
					t.Errorf("logged %d times that the files are valid again, want once: %s", got, store.log.String())
				}
				rename(t, f, second, authority.PEM)
				store.pass(interval)
				store.mustUse(second)
				if store.Invalid() != "" {
					t.Errorf("the files are invalid because of %q, want nothing", store.Invalid())
				}
			})
		})
	}
}

// encrypted returns the block under another type and with headers, as a key with a
// passphrase has them.
func encrypted(content []byte, blockType string, headers map[string]string) []byte {
	block, _ := pem.Decode(content)
	return pem.EncodeToMemory(&pem.Block{Type: blockType, Headers: headers, Bytes: block.Bytes})
}

// TestOpenFails opens what can't be used.
func TestOpenFails(t *testing.T) {
	t.Parallel()
	authority := pki.NewAuthority(t, "one")
	good := authority.Issue(t, "good")
	expired := authority.Issue(t, "expired", pki.Valid(-2*time.Hour, -time.Hour))
	early := authority.Issue(t, "early", pki.Valid(time.Hour, 2*time.Hour))
	for name, test := range map[string]struct {
		pair pki.Pair
		ca   []byte
		want string
	}{
		"expired":       {expired, authority.PEM, "expired at 20"},
		"not yet valid": {early, authority.PEM, "not valid before 20"},
		"another's key": {pki.Pair{Cert: good.Cert, Key: early.Key}, authority.PEM, "does not match"},
		"swapped":       {pki.Pair{Cert: good.Key, Key: good.Cert}, authority.PEM, "contains no certificate"},
		"no key":        {pki.Pair{Cert: good.Cert, Key: good.Cert}, authority.PEM, "contains no private key"},
		"encrypted key": {
			pki.Pair{Cert: good.Cert, Key: encrypted(good.Key, "ENCRYPTED PRIVATE KEY", nil)},
			authority.PEM, "line 1: the key is encrypted",
		},
		"encrypted key, older": {
			pki.Pair{Cert: good.Cert, Key: encrypted(good.Key, "EC PRIVATE KEY", map[string]string{
				"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00",
			})},
			authority.PEM, "line 1: the key is encrypted",
		},
		"a request in the chain": {
			pki.Pair{Cert: append(slices.Clone(good.Cert), encrypted(good.Cert, "CERTIFICATE REQUEST", nil)...), Key: good.Key},
			authority.PEM, `found a "CERTIFICATE REQUEST" block`,
		},
		"empty CA":         {good, nil, "contains no certificate"},
		"a key as CA":      {good, good.Key, `found a "PRIVATE KEY" block`},
		"damaged CA":       {good, []byte("-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"), "x509"},
		"CAs that expired": {good, expired.Cert, "CA certificates"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFolder(t, test.pair, test.ca)
			_, err := certs.Open(f.files, build, slog.New(slog.DiscardHandler))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), string(test.pair.Key[30:60])) {
				t.Errorf("the error has the key: %v", err)
			}
		})
	}
	if _, err := certs.Open(certs.Files{CA: filepath.Join(t.TempDir(), "none")}, build, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v, want %v", err, os.ErrNotExist)
	}
	if _, err := certs.Open(certs.Files{CA: t.TempDir()}, build, nil); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a folder: %v, want %q in it", err, "not a regular file")
	}
	bundle := newFolder(t, good, append(expired.Cert, authority.PEM...))
	if _, err := certs.Open(bundle.files, build, slog.New(slog.DiscardHandler)); err != nil {
		t.Errorf("a bundle of which one has expired: %v", err)
	}
}

// TestExpiry lets a certificate expire that nobody replaces.
func TestExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		authority := pki.NewAuthority(t, "one")
		f := newFolder(t, authority.Issue(t, "short", pki.Valid(0, 10*time.Hour)), authority.PEM)
		store := follow(t, f.files)
		defer store.Close()
		store.pass(9*time.Hour - time.Minute)
		if store.log.Count("expires soon") != 0 {
			t.Errorf("warned too early: %s", store.log.String())
		}
		store.pass(30 * time.Minute)
		if got := store.log.Count("level=WARN"); got != 1 || store.log.Count("expires soon") != got {
			t.Errorf("warned %d times in half an hour of the last tenth, want once: %s", got, store.log.String())
		}
		store.pass(time.Hour)
		if got := store.log.Count("level=ERROR"); got != 1 || store.log.Count("has expired") != 1 {
			t.Errorf("%d errors once it has expired, want 1: %s", got, store.log.String())
		}
		second := authority.Issue(t, "second")
		rename(t, f, second, authority.PEM)
		store.pass(interval)
		store.mustUse(second)
	})
}

// TestSoonAtStart begins with a certificate that expires soon.
func TestSoonAtStart(t *testing.T) {
	t.Parallel()
	authority := pki.NewAuthority(t, "one")
	f := newFolder(t, authority.Issue(t, "short", pki.Valid(-99*time.Hour, time.Hour)), authority.PEM)
	store := follow(t, f.files)
	defer store.Close()
	if store.log.Count("expires soon") != 1 {
		t.Errorf("not warned: %s, want 1", store.log.String())
	}
}
