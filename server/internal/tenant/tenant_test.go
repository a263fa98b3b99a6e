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
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scopegate/scopegate/server/internal/secret"
	"github.com/scopegate/scopegate/server/internal/tenant"

	"github.com/google/go-cmp/cmp"
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
	if want := []string{path, keyPath}; !slices.Equal(paths, want) {
		t.Errorf("paths %q, want %q", paths, want)
	}
	shop, bank := table.Tenants()[0], table.Tenants()[1]
	want := &tenant.Tenant{
		Name: "shop", Uploads: 5, Bytes: 1 << 20, AdditionalTags: "team:shop,tier:1",
		Intake: &tenant.Intake{URL: "https://intake.example/api", APIKey: secret.New("the-key"), Connections: 3},
	}
	if diff := cmp.Diff(want, shop, cmp.Transformer("reveal", secret.Secret.Reveal)); diff != "" {
		t.Errorf("shop (-want +got):\n%s", diff)
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
			t.Errorf("token %q: %v, %v, want owner %v and %v", token, owner, err, want.owner, want.err)
		}
		if again, err := table.Owner(credential, now); again != want.owner || !errors.Is(err, want.err) {
			t.Errorf("token %q, again: %v, %v", token, again, err)
		}
	}
	if _, _, err := table.ByToken("new", now.Add(time.Second)); !errors.Is(err, tenant.ErrExpired) {
		t.Errorf("expired: %v, want %v", err, tenant.ErrExpired)
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
			t.Errorf("%v %v %v: %v, %v, want %v", test.leaf.URIs, test.leaf.DNSNames, test.leaf.Subject, owner, err, test.want)
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
	intake := one + ", intake: "
	services := one + ", services: "
	long := strings.Repeat("x", 257)
	for name, test := range map[string]struct{ content, want string }{
		"empty":                {"", "no tenants"},
		"a comment":            {"# nobody\n", "no tenants"},
		"no tenants":           {"tenants: []", "no tenants"},
		"null for tenants":     {"tenants:", "line 1, column 1: tenants: missing value"},
		"unknown key":          {one + ", api_key: " + canary + "}]", "line 1, column 107: tenants[0].api_key: unknown key"},
		"unknown in intake":    {intake + "{url: u, api_key: " + canary + "}}]", "tenants[0].intake.api_key: unknown key"},
		"unknown at the top":   {"tenant: []", "line 1, column 1: tenant: unknown key"},
		"a token for a key":    {"tenants: [{name: a, tokens: [{sgt_" + canary + "}]}]", "tokens[0].(hidden key): unknown key"},
		"a long key":           {"tenants: [{" + strings.Repeat(canary, 5) + "}]", "tenants[0].(hidden key): unknown key"},
		"twice":                {one + "}]\ntenants: [" + canary + "]", "line 2, column 1: tenants: duplicate key"},
		"twice in a tenant":    {one + ", name: b}]", "tenants[0].name: duplicate key"},
		"twice, quoted":        {one + ", max_uploads: 1, \"max_uploads\": 2}]", "tenants[0].max_uploads: duplicate key"},
		"two documents":        {one + "}]\n---\ntenants: [{name: b, certificates: [c]}]", "line 3, column 8: more than one YAML document"},
		"an empty one first":   {"---\n---\n" + one + "}]", "more than one YAML document"},
		"an empty one between": {one + "}]\n--- \n---\r\ntenants: []", "more than one YAML document"},
		"two documents, ended": {one + "}]\n...\n" + one + "}]", "more than one YAML document"},
		"not YAML":             {"tenants: [" + canary, "malformed"},
		"a list":               {"- " + canary, "line 1, column 1: not a mapping"},
		"a word":               {canary, "not a mapping"},
		"deep":                 {"tenants: " + strings.Repeat("[", 100_000), "nested too deeply"},
		"deep, by dashes":      {"tenants:\n" + strings.Repeat("- ", 100_000), "nested too deeply"},
		"UTF-16":               {"\xff\xfet\x00", "UTF-16"},
		"a list for a name":    {"tenants: [{name: [" + canary + "]}]", "tenants[0].name: not a string"},
		"a list for a mapping": {intake + "[" + canary + "]}]", "tenants[0].intake: not a mapping"},
		"a word for a list":    {"tenants: [{name: a, certificates: " + canary + "}]", "tenants[0].certificates: not a list"},
		"a word for a tenant":  {"tenants: [" + canary + "]", "tenants[0]: not a mapping"},
		"no name":              {"tenants: [{tokens: [{sha256: " + hash + "}]}]", "tenants[0]: missing name"},
		"null for a name":      {"tenants: [{name: null, tokens: [{sha256: " + hash + "}]}]", "tenants[0].name: missing value"},
		"tilde for a name":     {"tenants: [{name: ~, tokens: [{sha256: " + hash + "}]}]", "tenants[0].name: missing value"},
		"empty name":           {"tenants: [{name: '', certificates: [x]}]", "tenants[0].name: not 1 to 64"},
		"odd name":             {"tenants: [{name: \"a\\nb\", tokens: [{sha256: " + hash + "}]}]", "tenants[0].name: not 1 to 64"},
		"a date for a name":    {"tenants: [{name: 2027-01-01T00:00:00Z, certificates: [x]}]", "tenants[0].name: not 1 to 64"},
		"name twice":           {one + "}, {name: a, certificates: [x]}]", "tenants[1].name: duplicate value"},
		"tag":                  {"tenants: [{name: !!str 5, certificates: [x]}]", "tenants[0].name: not a string"},
		"merge key":            {"tenants: [{name: a, <<: {certificates: [x]}}]", "tenants[0].<<: unknown key"},
		"alias of nothing":     {"tenants: [{name: *a, certificates: [x]}]", "tenants[0].name: unknown alias"},
		"alias of itself":      {"tenants: &a [*a]", "tenants[0]: not a mapping"},
		"nothing to show":      {"tenants: [{name: a}]", "tenant a has neither tokens nor certificates"},
		"empty lists":          {"tenants: [{name: a, tokens: [], certificates: []}]", "tenant a has neither tokens nor certificates"},
		"null for tokens":      {"tenants: [{name: a, certificates: [x], tokens: }]", "tenants[0].tokens: missing value"},
		"a token for its hash": {"tenants: [{name: a, tokens: [{sha256: " + canary + "}]}]", "tokens[0].sha256: not a SHA-256 hash"},
		"a token, no mapping":  {"tenants: [{name: a, tokens: [" + canary + "]}]", "tokens[0]: not a mapping"},
		"a short hash":         {"tenants: [{name: a, tokens: [{sha256: \"00\"}]}]", "not a SHA-256 hash"},
		"no hash":              {"tenants: [{name: a, tokens: [{expires: 2027-01-01}]}]", "tokens[0]: missing sha256"},
		"token twice":          {one + "}, {name: b, tokens: [{sha256: " + hash + "}]}]", "tenants[1].tokens[0].sha256: duplicate value"},
		"no time":              {"tenants: [{name: a, tokens: [{sha256: " + hash + ", expires: }]}]", "tokens[0].expires: missing value"},
		"null for a time":      {"tenants: [{name: a, tokens: [{sha256: " + hash + ", expires: null}]}]", "tokens[0].expires: missing value"},
		"a word for a time":    {"tenants: [{name: a, tokens: [{sha256: " + hash + ", expires: never}]}]", "expires: not a date"},
		"a number for a time":  {"tenants: [{name: a, tokens: [{sha256: " + hash + ", expires: 2027}]}]", "expires: not a date"},
		"a time without zone":  {"tenants: [{name: a, tokens: [{sha256: " + hash + ", expires: \"2027-01-01 00:00:00\"}]}]", "expires: not a date"},
		"the zero time":        {"tenants: [{name: a, tokens: [{sha256: " + hash + ", expires: 0001-01-01T00:00:00Z}]}]", "expires: not a date"},
		"certificate twice":    {"tenants: [{name: a, certificates: [x]}, {name: b, certificates: [x]}]", "tenants[1].certificates[0]: duplicate value"},
		"empty certificate":    {`tenants: [{name: a, certificates: [""]}]`, "certificates[0]: empty"},
		"null for one":         {"tenants: [{name: a, certificates: [x, ~]}]", "certificates[1]: missing value"},
		"negative uploads":     {one + ", max_uploads: -1}]", "max_uploads: not a whole number"},
		"a fraction":           {one + ", max_uploads: 0.5}]", "max_uploads: not a whole number"},
		"a whole fraction":     {one + ", max_uploads: 1.0}]", "max_uploads: not a whole number"},
		"exponent":             {one + ", max_bytes: 1e3}]", "max_bytes: not a whole number"},
		"underscore":           {one + ", max_bytes: 1_000}]", "max_bytes: not a whole number"},
		"hexadecimal":          {one + ", max_bytes: 0x10}]", "max_bytes: not a whole number"},
		"octal":                {one + ", max_bytes: 0o10}]", "max_bytes: not a whole number"},
		"infinity":             {one + ", max_bytes: .inf}]", "max_bytes: not a whole number"},
		"not a number":         {one + ", max_bytes: .nan}]", "max_bytes: not a whole number"},
		"negative zero":        {one + ", max_bytes: -0}]", "max_bytes: not a whole number"},
		"a sign":               {one + ", max_bytes: +5}]", "max_bytes: not a whole number"},
		"a size":               {one + ", max_bytes: 64MiB}]", "max_bytes: not a whole number of bytes, such as"},
		"yes for a number":     {one + ", max_uploads: yes}]", "max_uploads: not a whole number"},
		"a word for a number":  {one + ", max_uploads: " + canary + "}]", "max_uploads: not a whole number"},
		"null for a number":    {one + ", max_uploads: null}]", "max_uploads: missing value"},
		"no number":            {one + ", max_uploads: }]", "max_uploads: missing value"},
		"a list for a number":  {one + ", max_uploads: [1]}]", "max_uploads: not a string or a number"},
		"too many uploads":     {one + ", max_uploads: 99999999999}]", "max_uploads: more than 2147483647"},
		"too many bytes":       {one + ", max_bytes: 99999999999999999999}]", "max_bytes: more than 9223372036854775807"},
		"tags inject":          {one + ", additional_tags: \"a:b\\r\\nDD-API-KEY: x\"}]", "additional_tags: contains a control character"},
		"no intake":            {intake + "}]", "tenants[0].intake: missing value"},
		"no URL":               {intake + "{}}]", "tenants[0].intake: missing url"},
		"null for a URL":       {intake + "{url: }}]", "tenants[0].intake.url: missing value"},
		"negative connections": {intake + "{url: x, connections: -1}}]", "intake.connections: not a whole number"},
		"too many connections": {intake + "{url: x, connections: 100000000000000}}]", "intake.connections: more than 10000"},
		"no key file":          {intake + "{url: x, api_key_file: missing}}]", "intake.api_key_file: no such file"},
		"a key for its file":   {intake + "{url: x, api_key_file: " + canary + "}}]", "intake.api_key_file: no such file"},
		"a key with a slash":   {intake + "{url: x, api_key_file: " + canary + "/" + canary + "}}]", "intake.api_key_file: open (path hidden"},
		"a folder for a key":   {intake + "{url: x, api_key_file: .}}]", "is a directory, not a regular file"},
		"null for a key file":  {intake + "{url: x, api_key_file: ~}}]", "intake.api_key_file: missing value"},
		"two keys in a file":   {intake + "{url: x, api_key_file: keys}}]", "more than one"},
		"empty key file":       {intake + "{url: x, api_key_file: none}}]", "empty"},
		"no service":           {services + "[]}]", "tenants[0].services: empty list"},
		"null for services":    {services + "}]", "tenants[0].services: missing value"},
		"null for a service":   {services + "[shop, ~]}]", "services[1]: missing value"},
		"an empty service":     {services + "['']}]", "services[0]: empty"},
		"a word for services":  {services + "shop}]", "tenants[0].services: not a list"},
		"a list in services":   {services + "[[shop]]}]", "services[0]: not a string"},
		"a star in front":      {services + "['*-shop']}]", "services[0]: * is only allowed at the end"},
		"two stars":            {services + "['shop**']}]", "services[0]: * is only allowed at the end"},
		"service twice":        {services + "[shop, shop]}]", "services[1]: duplicate value"},
		"prefix twice":         {services + "[shop*, 'shop*']}]", "services[1]: duplicate value"},
		"a long service":       {services + "[" + long + "]}]", "services[0]: longer than 256 bytes"},
		"control in a service": {services + "[\"a\\tb\"]}]", "services[0]: contains invalid UTF-8 or a control character"},
		"the line of services": {"tenants:\n  - name: a\n    certificates: [x]\n    services:\n      - shop\n      - a*b\n", "line 6, column 9: tenants[0].services[1]: * is only allowed"},
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
				t.Errorf("paths %q, want %q first", paths, path)
			}
		})
	}
	if _, _, err := tenant.Read(filepath.Join(t.TempDir(), "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v, want %v", err, os.ErrNotExist)
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
			!strings.Contains(err.Error(), "duplicate value"):
			t.Errorf("it tells what is in the file: %v", err)
		}
	})
}

// TestScalarsCountByTheirText reads what YAML has other types for.
func TestScalarsCountByTheirText(t *testing.T) {
	t.Parallel()
	digits := strings.Repeat("1234567e", 8) // YAML has it for a number
	for _, name := range []string{
		"0x1F", "010", "1.10", "1e3", "1_000", "0o10", "0b11", ".inf", ".NaN", "yes", "No", "true", "on", "2027-01-01", "-5", "1", "NULL_",
		"'null'", "\"~\"",
	} {
		want := strings.Trim(name, `'"`)
		if want == "~" {
			continue // no tenant can be called so
		}
		table, _, err := tenant.Read(write(t, fmt.Sprintf(
			"tenants: [{name: %[1]s, certificates: [%[1]s, c-%[1]s], services: [%[1]s], additional_tags: %[1]s, tokens: [{sha256: %[2]s}], "+
				"intake: {url: %[1]s}}]", name, digits)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := table.Tenants()[0]
		if got.Name != want || got.AdditionalTags != want || got.Intake.URL != want || !got.Services.Has(want) || got.Services.Has(want+"0") {
			t.Errorf("%s is read as %q, %q, %q, want %q in each", name, got.Name, got.AdditionalTags, got.Intake.URL, want)
		}
		if owner, _, err := table.ByCertificate(&x509.Certificate{DNSNames: []string{want}}); owner != got || err != nil {
			t.Errorf("the certificate %s: %v, want %v", name, err, got)
		}
	}
	for text, want := range map[string]int{"0": 0, "5": 5, "010": 10, "0009": 9, "'7'": 7, "\"08\"": 8, "2147483647": 1<<31 - 1} {
		table, _, err := tenant.Read(write(t, fmt.Sprintf(
			"tenants: [{name: a, certificates: [x], max_uploads: %[1]s, max_bytes: %[1]s}]", text)))
		if err != nil || table.Tenants()[0].Uploads != want || table.Tenants()[0].Bytes != int64(want) {
			t.Errorf("%s: %v, %v, want Uploads %v and Bytes %v", text, table, err, want, int64(want))
		}
	}
	for text, want := range map[string]string{
		"2027-01-01": "2027-01-01T00:00:00Z", "2027-01-01T02:00:00+02:00": "2027-01-01T00:00:00Z", "'2027-01-01T00:00:00.5Z'": "2027-01-01T00:00:00.5Z",
	} {
		at, err := time.Parse(time.RFC3339, want)
		if err != nil {
			t.Fatal(err)
		}
		table, _, err := tenant.Read(write(t, "tenants: [{name: a, tokens: [{sha256: "+tenant.HashOf("x").String()+", expires: "+text+"}]}]"))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if _, _, err := table.ByToken("x", at.Add(-1)); err != nil {
			t.Errorf("%s: before: %v", text, err)
		}
		if _, _, err := table.ByToken("x", at); !errors.Is(err, tenant.ErrExpired) {
			t.Errorf("%s: then: %v, want %v", text, err, tenant.ErrExpired)
		}
	}
}

// TestFormsOfTheFile reads the same in other notations.
func TestFormsOfTheFile(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"flow":              "tenants: [{name: a, certificates: [x, y], services: [shop, 'web-*'], max_uploads: 3, intake: {url: u}}]",
		"a mark":            "\ufefftenants: [{name: a, certificates: [x, y], services: [shop, 'web-*'], max_uploads: 3, intake: {url: u}}]",
		"JSON":              "{\"tenants\":\t[\n\t{\"name\": \"a\", \"certificates\": [\"x\", \"\\u0079\"], \"services\": [\"shop\", \"web-*\"], \"max_uploads\": 3, \"intake\": {\"url\": \"u\"}}\n]}\n",
		"block":             "# all\n---\ntenants:\n- name: a # b\n  certificates:\n  - x\n  - y\n  services:\n  - shop\n  - web-*\n  max_uploads: 3\n  intake:\n    url: u\n",
		"a directive":       "%YAML 1.2\n---\ntenants: [{name: a, certificates: [x, y], services: [shop, web-*], max_uploads: 3, intake: {url: u}}]\n...\n",
		"line ends":         "tenants:\r\n- name: a\r\n  certificates: [x, y]\r\n  services: [shop, web-*]\r\n  max_uploads: 3\r\n  intake: {url: u}\r\n",
		"block scalars":     "tenants:\n- name: |-\n    a\n  certificates: [x, y]\n  services: [shop, web-*]\n  max_uploads: >-\n    3\n  intake: {url: u}\n",
		"anchors":           "tenants: [{name: &a a, certificates: [x, y], services: &s [shop, &w web-*], max_uploads: &n 3, intake: &i {url: u}}, {name: b, services: *s, certificates: [b], intake: *i, max_uploads: *n}, {name: c, certificates: [*n], services: [*w]}]",
		"a comment, dashes": "# " + strings.Repeat("-", 80) + "\ntenants: [{name: a, certificates: [x, y], services: [shop, web-*], max_uploads: 3, intake: {url: u}}]",
	} {
		table, _, err := tenant.Read(write(t, content))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for i, got := range table.Tenants() {
			if got.Name != string(rune('a'+i)) {
				t.Errorf("%s: tenant %d is %s, want %c", name, i, got.Name, 'a'+i)
			}
			if got.Services.Has("shop") != (i < 2) || !got.Services.Has("web-1") || got.Services.Has("other") || i < 2 && (got.Uploads != 3 || got.Intake.URL != "u") {
				t.Errorf("%s: tenant %s is %+v, want what the defaults and its own settings say", name, got.Name, got)
			}
		}
		for _, leaf := range []string{"x", "y"} {
			if owner, _, err := table.ByCertificate(&x509.Certificate{DNSNames: []string{leaf}}); err != nil || owner.Name != "a" {
				t.Errorf("%s: certificate %s: %v, want %q", name, leaf, err, "a")
			}
		}
	}
}

func TestNewToken(t *testing.T) {
	t.Parallel()
	first, second := tenant.NewToken(), tenant.NewToken()
	if first == second || !regexp.MustCompile(`^sgt_[A-Z2-7]{26}$`).MatchString(first) {
		t.Errorf("tokens %s and %s, want two in their form", first, second)
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

// manyTokens returns a table with a token for each number below count.
func manyTokens(tb testing.TB, count int) *tenant.Table {
	tb.Helper()
	var content strings.Builder
	content.WriteString("tenants:\n- name: a\n  tokens:\n")
	for i := range count {
		fmt.Fprintf(&content, "  - {sha256: %s}\n", tenant.HashOf(fmt.Sprint("token", i)))
	}
	path := filepath.Join(tb.TempDir(), "tenants.yaml")
	if err := os.WriteFile(path, []byte(content.String()), 0o600); err != nil {
		tb.Fatal(err)
	}
	table, _, err := tenant.Read(path)
	if err != nil {
		tb.Fatal(err)
	}
	return table
}

func TestManyTokens(t *testing.T) {
	t.Parallel()
	const count = 2000
	table := manyTokens(t, count)
	for i := range count {
		if owner, _, err := table.ByToken(fmt.Sprint("token", i), time.Now()); err != nil || owner.Name != "a" {
			t.Fatalf("token %d: %v, want %q", i, err, "a")
		}
	}
	if _, _, err := table.ByToken(fmt.Sprint("token", count), time.Now()); !errors.Is(err, tenant.ErrUnknown) {
		t.Errorf("one more: %v, want %v", err, tenant.ErrUnknown)
	}
}

// BenchmarkByToken checks a wrong token: the time must not grow with their number.
func BenchmarkByToken(b *testing.B) {
	for _, count := range []int{10, 10_000} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			table, now := manyTokens(b, count), time.Now()
			for b.Loop() {
				if _, _, err := table.ByToken("wrong", now); err == nil {
					b.Fatal("it is taken")
				}
			}
		})
	}
}
