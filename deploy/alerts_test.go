package deploy_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metricsql"
)

// tableRow is a metric in docs/operations.md, in a table that is generated from the
// server's own registry.
var tableRow = regexp.MustCompile("(?m)^\\| `(scopegate_\\w+)` \\| (\\w+) \\| ([^|]*) \\|")

// documented returns the names under which the metrics can be asked for, with the
// column of their labels.
func documented(t *testing.T) map[string]string {
	t.Helper()
	metrics := map[string]string{}
	for _, row := range tableRow.FindAllStringSubmatch(read(t, "../docs/operations.md"), -1) {
		name, kind, labels := row[1], row[2], row[3]
		if kind != "histogram" {
			metrics[name] = labels
			continue
		}
		for _, suffix := range []string{"_bucket", "_count", "_sum"} {
			metrics[name+suffix] = labels
		}
	}
	if len(metrics) < 40 {
		t.Fatalf("the table has %d metrics, want at least 40", len(metrics))
	}
	return metrics
}

// TestAlertsAskForWhatIsThere parses each alert's expression, and has its metrics,
// labels and their values be those that the server has.
func TestAlertsAskForWhatIsThere(t *testing.T) {
	t.Parallel()
	metrics := documented(t)
	var names []string
	for _, group := range readCluster(t).alerts.Spec.Groups {
		for _, rule := range group.Rules {
			names = append(names, rule.Alert)
			if rule.Alert == "" || rule.Labels["severity"] == "" || !strings.HasSuffix(rule.Annotations["summary"], ".") {
				t.Errorf("%q has no name, severity or summary", rule.Alert)
			}
			expression, err := metricsql.Parse(rule.Expr.String())
			if err != nil {
				t.Errorf("%s: %v", rule.Alert, err)
				continue
			}
			asked := 0
			metricsql.VisitAll(expression, func(e metricsql.Expr) {
				if selector, ok := e.(*metricsql.MetricExpr); ok {
					for _, filters := range selector.LabelFilterss {
						requireDocumented(t, rule.Alert, metrics, filters)
						asked++
					}
				}
			})
			if asked == 0 {
				t.Errorf("%s asks for no metric", rule.Alert)
			}
		}
	}
	if len(names) == 0 || len(slices.Compact(slices.Sorted(slices.Values(names)))) != len(names) {
		t.Errorf("alerts %q, want some, each once", names)
	}
}

// requireDocumented looks up the metric that the filters select, the first by its
// name, and what the others ask of it.
func requireDocumented(t *testing.T, alert string, metrics map[string]string, filters []metricsql.LabelFilter) {
	t.Helper()
	name := filters[0].Value
	labels, ok := metrics[name]
	if !ok {
		t.Errorf("%s: there is no metric %q", alert, name)
	}
	for _, filter := range filters[1:] {
		_, values, ok := strings.Cut(labels, "`"+filter.Label+"`")
		if !ok {
			t.Errorf("%s: %s has no label %q", alert, name, filter.Label)
		}
		if !strings.HasPrefix(values, ": ") {
			continue // they are reasons, which docs/protocol.md has
		}
		known := strings.FieldsFunc(values, func(r rune) bool { return strings.ContainsRune(":,; ", r) })
		for value := range strings.SplitSeq(filter.Value, "|") {
			if !slices.Contains(known, value) {
				t.Errorf("%s: %s has no %s %q", alert, name, filter.Label, value)
			}
		}
	}
}
