package main

import (
	"fmt"
	"log/slog"
	"os"
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

func metricsTable(t *testing.T) string {
	t.Helper()
	registry := newRegistry()
	cfg := server.DefaultConfig()
	cfg.Intake.URL = "http://127.0.0.1:1/"
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
	var table strings.Builder
	table.WriteString("| metric | kind | labels | what it is |\n|---|---|---|---|\n")
	for _, family := range families {
		if name := family.GetName(); strings.HasPrefix(name, "scopegate_") || strings.HasPrefix(name, "grpc_") {
			fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n",
				name, strings.ToLower(family.GetType().String()), labelsOf(family), family.GetHelp())
		}
	}
	return table.String()
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
		own := strings.HasPrefix(family.GetName(), "scopegate_") && family.GetName() != "scopegate_build_info"
		if list := values[name]; own && len(list) < manyValues {
			slices.Sort(list)
			text += ": " + strings.Join(list, ", ")
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, "; ")
}
