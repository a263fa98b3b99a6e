package tenant_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/scopegate/scopegate/server/internal/tenant"
)

// write writes a file of tenants and returns its path.
func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tenants.yaml")
	overwrite(t, path, content)
	return path
}

func overwrite(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	path := write(t, fmt.Sprintf(`
tenants:
  - name: shop
    tokens:
      - sha256: %s
      - sha256: %s
        expires: 2026-06-01T00:00:01Z
    certificates: ["spiffe://corp/shop", shop.example.com]
    max_uploads: 5
    max_bytes: 1048576
    additional_tags: "team:shop,tier:1"
    intake: {url: "https://intake.example/api", api_key_file: key, connections: 3}
  - name: bank
    tokens: [{sha256: %s}]
`, tenant.HashOf("old"), tenant.HashOf("new"), strings.ToUpper(tenant.HashOf("bank").String())))
	keyPath := filepath.Join(filepath.Dir(path), "key")
	overwrite(t, keyPath, "  the-key\n")
	table, paths, err := tenant.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) != 2 || paths[0] != path || paths[1] != keyPath {
		t.Errorf("paths %q", paths)
	}
	shop, bank := table.Tenants()[0], table.Tenants()[1]
	if shop.Name != "shop" || shop.Uploads != 5 || shop.Bytes != 1<<20 || shop.AdditionalTags != "team:shop,tier:1" ||
		shop.Intake.URL != "https://intake.example/api" || shop.Intake.APIKey.Reveal() != "the-key" || shop.Intake.Connections != 3 {
		t.Errorf("%+v", shop)
	}
	if bank.Intake != nil {
		t.Error("a tenant without an intake has one")
	}
	for token, want := range map[string]struct {
		owner *tenant.Tenant
		err   error
	}{
		"old": {owner: shop}, "new": {owner: shop}, "bank": {owner: bank}, "": {err: tenant.ErrUnknown}, "ol": {err: tenant.ErrUnknown},
		tenant.HashOf("old").String(): {err: tenant.ErrUnknown},
	} {
		owner, credential, err := table.ByToken(token, now)
		if owner != want.owner || !errors.Is(err, want.err) {
			t.Errorf("token %q: %v, %v", token, owner, err)
		}
		if again, err := table.Owner(credential, now); again != want.owner || !errors.Is(err, want.err) {
			t.Errorf("token %q, again: %v, %v", token, again, err)
		}
	}
	if _, _, err := table.ByToken("new", now.Add(time.Second)); !errors.Is(err, tenant.ErrExpired) {
		t.Errorf("expired: %v", err)
	}
	for _, test := range []struct {
		leaf x509.Certificate
		want *tenant.Tenant
	}{
		{x509.Certificate{URIs: []*url.URL{{Scheme: "spiffe", Host: "corp", Path: "/shop"}}}, shop},
		{x509.Certificate{DNSNames: []string{"other", "shop.example.com"}}, shop},
		{x509.Certificate{Subject: pkix.Name{CommonName: "shop.example.com"}}, shop},
		{x509.Certificate{Subject: pkix.Name{CommonName: "shop.example.com"}, DNSNames: []string{"other"}}, nil},
		{x509.Certificate{}, nil},
	} {
		owner, credential, err := table.ByCertificate(&test.leaf)
		if owner != test.want || (err == nil) != (owner != nil) {
			t.Errorf("%v %v %v: %v, %v", test.leaf.URIs, test.leaf.DNSNames, test.leaf.Subject, owner, err)
		}
		if again, err := table.Owner(credential, now); owner != nil && (again != owner || err != nil) {
			t.Errorf("again: %v, %v", again, err)
		}
	}
}

// canary stands where a file has a secret in the wrong place.
const canary = "canary5b1e"

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	hash := tenant.HashOf("x").String()
	one := "tenants: [{name: a, tokens: [{sha256: " + hash + "}]"
	for name, test := range map[string]struct{ content, want string }{
		"empty":                {"", "there is no tenant"},
		"no tenants":           {"tenants: []", "there is no tenant"},
		"unknown key":          {one + ", api_key: " + canary + "}]", `line 1, column 107: unknown field "api_key"`},
		"unknown in intake":    {one + ", intake: {url: u, api_key: " + canary + "}}]", `unknown field "api_key"`},
		"twice":                {one + "}]\ntenants: [" + canary + "]", "line 2, column 1: malformed"},
		"not YAML":             {"tenants: [" + canary, "malformed"},
		"wrong type":           {one + ", max_uploads: " + canary + "}]", "wrong type"},
		"a list for a name":    {one + ", intake: [" + canary + "]}]", "tenants"},
		"no name":              {"tenants: [{tokens: [{sha256: " + hash + "}]}]", "tenants[0].name"},
		"odd name":             {"tenants: [{name: \"a\\nb\", tokens: [{sha256: " + hash + "}]}]", "tenants[0].name"},
		"name twice":           {one + "}, {name: a, certificates: [x]}]", "tenant a is there twice"},
		"nothing to show":      {"tenants: [{name: a}]", "neither tokens nor certificates"},
		"a token for its hash": {"tenants: [{name: a, tokens: [{sha256: " + canary + "}]}]", "not a SHA-256 hash"},
		"a short hash":         {"tenants: [{name: a, tokens: [{sha256: \"00\"}]}]", "not a SHA-256 hash"},
		"token twice":          {one + "}, {name: b, tokens: [{sha256: " + hash + "}]}]", "tokens[0] is there twice"},
		"certificate twice":    {"tenants: [{name: a, certificates: [x]}, {name: b, certificates: [x]}]", "certificates[0] is there twice"},
		"empty certificate":    {`tenants: [{name: a, certificates: [""]}]`, "certificates[0] is empty"},
		"negative uploads":     {one + ", max_uploads: -1}]", "max_uploads -1"},
		"negative bytes":       {one + ", max_bytes: -1}]", "max_bytes -1"},
		"tags inject":          {one + ", additional_tags: \"a:b\\r\\nDD-API-KEY: x\"}]", "additional_tags has a control character"},
		"no URL":               {one + ", intake: {}}]", "no url"},
		"negative connections": {one + ", intake: {url: x, connections: -1}}]", "connections -1"},
		"no key file":          {one + ", intake: {url: x, api_key_file: missing}}]", "api_key_file"},
		"two keys in a file":   {one + ", intake: {url: x, api_key_file: keys}}]", "more than one"},
		"empty key file":       {one + ", intake: {url: x, api_key_file: none}}]", "no key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := write(t, test.content)
			overwrite(t, filepath.Join(filepath.Dir(path), "keys"), canary+"\n"+canary)
			overwrite(t, filepath.Join(filepath.Dir(path), "none"), "\n")
			_, paths, err := tenant.Read(path)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("%v, want %q", err, test.want)
			}
			if strings.Contains(fmt.Sprintf("%+v %#v", err, err), canary) {
				t.Errorf("it tells what is in the file: %v", err)
			}
			if len(paths) == 0 || paths[0] != path {
				t.Errorf("paths %q", paths)
			}
		})
	}
	if _, _, err := tenant.Read(filepath.Join(t.TempDir(), "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// FuzzRead has any file be read, or refused without telling what is in it.
func FuzzRead(f *testing.F) {
	f.Add("tenants: [{name: a, certificates: [b], intake: {url: c}}]")
	f.Add("tenants:\n  - name: a\n    tokens: [{sha256: " + canary + ", expires: 2026-01-01}]\n")
	f.Add("a: &a [*a, *a]\ntenants: *a")
	f.Fuzz(func(t *testing.T, content string) {
		table, _, err := tenant.Read(write(t, content))
		switch {
		case err == nil && len(table.Tenants()) == 0:
			t.Error("a table without tenants")
		case err != nil && strings.Contains(content, canary) && strings.Contains(err.Error(), canary) &&
			!strings.Contains(err.Error(), "unknown field"):
			t.Errorf("it tells what is in the file: %v", err)
		}
	})
}

func TestNewToken(t *testing.T) {
	t.Parallel()
	first, second := tenant.NewToken(), tenant.NewToken()
	if first == second || !regexp.MustCompile(`^sgt_[A-Z2-7]{26}$`).MatchString(first) {
		t.Errorf("%s, %s", first, second)
	}
}

func TestWatcher(t *testing.T) {
	t.Parallel()
	file := func(names ...string) string {
		text := "tenants:\n"
		for _, name := range names {
			text += "  - {name: " + name + ", certificates: [" + name + "], intake: {url: u, api_key_file: key}}\n"
		}
		return text
	}
	path := write(t, file("a"))
	keyPath := filepath.Join(filepath.Dir(path), "key")
	overwrite(t, keyPath, "first")
	watcher, table, err := tenant.NewWatcher(path)
	if err != nil || len(table.Tenants()) != 1 {
		t.Fatal(table, err)
	}
	look := func(wantTenants int, wantErr bool) *tenant.Table {
		t.Helper()
		table, err := watcher.Look()
		if (err != nil) != wantErr || (table != nil) != (wantTenants > 0) || table != nil && len(table.Tenants()) != wantTenants {
			t.Fatalf("%v, %v, want %d tenants", table, err, wantTenants)
		}
		return table
	}
	look(0, false)

	overwrite(t, path, file("a", "b"))
	look(0, false) // it may not be whole yet
	look(2, false)
	look(0, false)

	overwrite(t, path, file("a", "b")+"  - broken")
	look(0, false)
	overwrite(t, path, file("a", "b")+"  - broken, still")
	look(0, false) // another one, again
	look(0, true)
	look(0, false) // it is told once

	overwrite(t, path, file("a", "b"))
	look(0, false)
	look(2, false) // the same as was there before

	overwrite(t, keyPath, "second")
	look(0, false)
	if table := look(2, false); table.Tenants()[0].Intake.APIKey.Reveal() != "second" {
		t.Error("the key is not read again")
	}

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	look(0, false)
	look(0, true)
	replaced := filepath.Join(t.TempDir(), "new")
	overwrite(t, replaced, file("c"))
	if err := os.Rename(replaced, path); err != nil {
		t.Fatal(err)
	}
	look(0, false)
	look(1, false)
}
