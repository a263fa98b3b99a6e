package repository_test

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/scopegate/scopegate/integration/internal/testbed"
)

// TestMetricsTable: the table of metrics in docs/operations.md has the server's own
// metrics, including those that need a setting.
func TestMetricsTable(t *testing.T) {
	t.Parallel()
	families, needs := metricsWith(t), map[string]string{}
	tenants := filepath.Join(t.TempDir(), "tenants.yaml")
	content := "tenants: [{name: shop, certificates: [shop], intake: {url: \"http://127.0.0.1:2/\"}}]\n"
	if err := os.WriteFile(tenants, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, optional := range [][2]string{
		{"--additional-intake", "http://127.0.0.1:1/"}, {"--spool-dir", t.TempDir()}, {"--tenants-file", tenants},
	} {
		for name, family := range metricsWith(t, optional[:]...) {
			if families[name] == nil {
				families[name], needs[name] = family, " Only with `"+optional[0]+"`."
			}
		}
	}
	var table strings.Builder
	table.WriteString("| metric | kind | labels | what it is |\n|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(families)) {
		if family := families[name]; strings.HasPrefix(name, "scopegate_") {
			fmt.Fprintf(&table, "| `%s` | %s | %s | %s%s |\n",
				name, strings.ToLower(family.GetType().String()), labelsOf(family), family.GetHelp(), needs[name])
		}
	}
	requireGenerated(t, "../../docs/operations.md", table.String())
}

// metricsWith returns what the server shows when it has started with the arguments, by
// name.
func metricsWith(t *testing.T, args ...string) map[string]*dto.MetricFamily {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "admin")
	process := testbed.StartProcess(t, "http://127.0.0.1:1/", "127.0.0.1:0", append(args, "--admin-listen", "unix://"+socket)...)
	defer process.Kill()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Get("http://localhost/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return families
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
		fixed := family.GetName() != "scopegate_build_info" && name != "intake" // as many as the settings say
		if list := values[name]; fixed && len(list) < manyValues {
			slices.Sort(list)
			text += ": " + strings.Join(list, ", ")
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, "; ")
}
