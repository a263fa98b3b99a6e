package server

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
)

// TestExposedKeysAreToldOf has API keys go to intakes without TLS.
func TestExposedKeysAreToldOf(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"key": "hush-hush",
		"tenants.yaml": `tenants:
- {name: open, certificates: [a], intake: {url: "HTTP://intake.example/", api_key_file: key}}
- {name: safe, certificates: [b], intake: {url: "https://intake.example/", api_key_file: key}}
- {name: local, certificates: [c], intake: {url: "unix:///run/x:/y", api_key_file: key}}
- {name: none, certificates: [d], intake: {url: "http://intake.example/"}}
- {name: shared, certificates: [e]}
`,
	} {
		writeTenants(t, filepath.Join(dir, name), content)
	}
	cfg := DefaultConfig()
	cfg.Intake.URL, cfg.Limits.MemoryBytes = "https://intake.example/", 512<<20
	cfg.Access.TenantsFile = filepath.Join(dir, "tenants.yaml")
	cfg.AdditionalIntakes.Intakes = []AdditionalIntake{
		{URL: "https://a.example/", APIKey: NewSecret("hush-hush")},
		{URL: "http://b.example/", APIKey: NewSecret("hush-hush")},
		{URL: "http://c.example/"},
	}
	var log bytes.Buffer
	s, err := New(cfg, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"URLs are not https\" count=1 tenants=open\n", "URL is not https\" intake=2\n", "is not set\" count=5 tenants=\"open, safe, local, none, shared\"\n"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %q", want)
		}
	}
	if n := strings.Count(log.String(), "level=WARN"); n != 3 || strings.Contains(log.String(), "hush") {
		t.Errorf("%d warnings, want 3:\n%s", n, log.String())
	}
}
