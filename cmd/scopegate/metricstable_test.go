package main

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"github.com/scopegate/scopegate/server"
)

const operationsPage = "../../docs/operations.md"

// The table of metrics in the docs is what the server has.
func TestMetricsTable(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(operationsPage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), generatedBegin)
	table, after, ok2 := strings.Cut(rest, generatedEnd)
	if !ok || !ok2 {
		t.Fatalf("there is no table in %s", operationsPage)
	}
	want := metricsTable(t)
	if table == want {
		return
	}
	if !*update {
		t.Fatalf("the table in %s is not what the server has; run make generate", operationsPage)
	}
	if err := os.WriteFile(operationsPage, []byte(before+generatedBegin+want+generatedEnd+after), 0o600); err != nil {
		t.Fatal(err)
	}
}

// optional are the settings that bring something of their own with them, as far as a
// metric could be of it.
var optional = []struct {
	flag string
	set  func(*testing.T, *server.Config)
}{
	{"additional-intake", func(_ *testing.T, cfg *server.Config) {
		cfg.AdditionalIntakes.Intakes = []server.AdditionalIntake{{URL: cfg.Intake.URL}}
	}},
	{"spool-dir", func(t *testing.T, cfg *server.Config) {
		t.Helper()
		cfg.Limits.SpoolDir = t.TempDir()
	}},
	{"tenants-file", func(t *testing.T, cfg *server.Config) {
		t.Helper()
		_, hash := server.NewToken()
		cfg.Access.TenantsFile = filepath.Join(t.TempDir(), "tenants.yaml")
		content := "tenants: [{name: shop, tokens: [{sha256: " + hash + "}], intake: {url: \"http://127.0.0.1:2/\"}}]\n"
		if err := os.WriteFile(cfg.Access.TenantsFile, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}},
}

// metricsTable lists what there is by default, and what needs a setting.
func metricsTable(t *testing.T) string {
	t.Helper()
	families := metricsOf(t, nil)
	settings, err := os.ReadFile(settingsDocument)
	if err != nil {
		t.Fatal(err)
	}
	needs := map[string]string{}
	for _, o := range optional {
		if !strings.Contains(string(settings), "| `--"+o.flag+"` |") {
			t.Errorf("there is no setting --%s", o.flag)
		}
		for name, family := range metricsOf(t, o.set) {
			if families[name] == nil {
				families[name] = family
				needs[name] = " Only with `--" + o.flag + "`."
			}
		}
	}
	var table strings.Builder
	table.WriteString("| metric | kind | labels | what it is |\n|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(families)) {
		if family := families[name]; strings.HasPrefix(name, "scopegate_") || strings.HasPrefix(name, "grpc_") {
			fmt.Fprintf(&table, "| `%s` | %s | %s | %s%s |\n",
				name, strings.ToLower(family.GetType().String()), labelsOf(family), family.GetHelp(), needs[name])
		}
	}
	return table.String()
}

// metricsOf returns what a server has from the start, by name; set changes its
// settings, if it is not nil.
func metricsOf(t *testing.T, set func(*testing.T, *server.Config)) map[string]*dto.MetricFamily {
	t.Helper()
	registry := newRegistry()
	cfg := server.DefaultConfig()
	cfg.Intake.URL = "http://127.0.0.1:1/"
	if set != nil {
		set(t, &cfg)
	}
	srv, err := server.New(cfg, slog.New(slog.DiscardHandler), server.WithRegistry(registry))
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	byName := make(map[string]*dto.MetricFamily, len(families))
	for _, family := range families {
		byName[family.GetName()] = family
	}
	return byName
}

// manyValues is more than a table should list.
const manyValues = 20

// labelsOf lists the labels of a family, with their values where these are few.
func labelsOf(family *dto.MetricFamily) string {
	var names []string
	values := map[string][]string{}
	for _, metric := range family.GetMetric() {
		for _, label := range metric.GetLabel() {
			if !slices.Contains(names, label.GetName()) {
				names = append(names, label.GetName())
			}
			if !slices.Contains(values[label.GetName()], label.GetValue()) {
				values[label.GetName()] = append(values[label.GetName()], label.GetValue())
			}
		}
	}
	var texts []string
	for _, name := range names {
		text := "`" + name + "`"
		own := strings.HasPrefix(family.GetName(), "scopegate_") && family.GetName() != "scopegate_build_info" &&
			name != "intake" // as many as the settings say
		if list := values[name]; own && len(list) < manyValues {
			slices.Sort(list)
			text += ": " + strings.Join(list, ", ")
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, "; ")
}
