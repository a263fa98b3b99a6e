package integration_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/scopegate/scopegate/client"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/internal/testbed"
)

// values returns the value of each series, a histogram's count under its name and
// _count. Names are as in the text format, with sorted labels.
func values(tb testing.TB, metrics prometheus.Gatherer) map[string]float64 {
	tb.Helper()
	families, err := metrics.Gather()
	if err != nil {
		tb.Fatal(err)
	}
	of := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			var labels []string
			for _, label := range metric.GetLabel() {
				labels = append(labels, label.GetName()+"="+label.GetValue())
			}
			name := family.GetName()
			if len(labels) > 0 {
				name += "{" + strings.Join(labels, ",") + "}"
			}
			of[name] = metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
			if h := metric.GetHistogram(); h != nil {
				of[name] = float64(h.GetSampleCount())
				of[name+" sum"] = h.GetSampleSum()
			}
		}
	}
	return of
}

// requireValues fails the test where a series has another value.
func requireValues(tb testing.TB, got, want map[string]float64) {
	tb.Helper()
	for name, value := range want {
		if now, ok := got[name]; !ok || now != value {
			tb.Errorf("%s is %v (there: %v), want %v", name, now, ok, value)
		}
	}
}

// What the metrics say is what was uploaded, what the intake has got, and how
// uploads ended.
func TestMetrics(t *testing.T) {
	t.Parallel()
	var failures atomic.Int64
	bed := testbed.New(t, testbed.Options{
		Configure: threshold(16 << 10),
		Fault: func(w http.ResponseWriter, r *http.Request, _ testbed.Post, accept http.HandlerFunc) {
			if failures.Add(1) > 2 {
				accept(w, r)
				return
			}
			w.WriteHeader(http.StatusServiceUnavailable)
		},
	})
	const scopes = 40
	source := testbed.NewSource(1)
	var sent []*symdbv1.Scope
	for range scopes {
		sent = append(sent, source.Noise(2<<10))
	}
	summary := bed.Upload(t, testbed.NewMetadata(), sent)

	bad := []*symdbv1.Scope{source.Function(), {}}
	_, err := testbed.Upload(testbed.Context(t), bed.Client, testbed.NewMetadata(), bad, client.WithoutResume())
	bed.RequireInvalid(t, err, "SCOPE_INVALID", "scope[1].scope_type")
	if _, err := healthv1.NewHealthClient(bed.Conn).Check(testbed.Context(t), &healthv1.HealthCheckRequest{}); err != nil {
		t.Fatal(err)
	}
	bed.Stop(t)

	posted := float64(summary.GetCompressedBytes())
	batches := float64(summary.GetBatchCount())
	got := values(t, bed.Server.Metrics)
	requireValues(t, got, map[string]float64{
		"scopegate_uploads_in_flight":                                        0,
		"scopegate_uploads_total{code=OK,reason=NONE}":                       1,
		"scopegate_uploads_total{code=InvalidArgument,reason=SCOPE_INVALID}": 1,
		"scopegate_bytes_total{stage=json}":                                  float64(summary.GetRawBytes()),
		"scopegate_bytes_total{stage=gzip}":                                  posted,
		"scopegate_bytes_total{stage=forwarded}":                             posted,
		"scopegate_batch_json_bytes sum":                                     float64(summary.GetRawBytes()),
		"scopegate_batch_gzip_bytes sum":                                     posted,
		"scopegate_batch_scopes sum":                                         scopes,
		"scopegate_batch_age_seconds":                                        batches,
		"scopegate_intake_attempts_total{outcome=accepted,status=2xx}":       batches,
		"scopegate_intake_attempts_total{outcome=unavailable,status=5xx}":    2,
		"scopegate_intake_attempt_duration_seconds{outcome=unavailable}":     2,
		"scopegate_intake_forward_duration_seconds{outcome=accepted}":        batches,
		"scopegate_intake_forward_duration_seconds{outcome=failed}":          0,
		"scopegate_intake_state{state=up}":                                   1,
		"scopegate_intake_state{state=down}":                                 0,
		"scopegate_intake_posting_batches":                                   0,
		"scopegate_intake_connections_open":                                  0,
		"scopegate_connections_taken_total":                                  1,
		"scopegate_connections_open":                                         0,
		"scopegate_memory_admitted_uploads":                                  0,
		"scopegate_compressors_in_use":                                       0,
		"scopegate_ready":                                                    0,
		"grpc_server_handled_total{grpc_code=OK,grpc_method=Check,grpc_service=grpc.health.v1.Health,grpc_type=unary}": 1,
		"scopegate_scopes_received_total":            scopes + 2,
		"scopegate_upload_duration_seconds{code=OK}": 1,
	})
	if batches < 3 {
		t.Errorf("%v batches are no test of several, want at least 3", batches)
	}
	if received := got["scopegate_bytes_total{stage=received}"]; received < scopes*2<<10 {
		t.Errorf("%v bytes received of %d scopes of 2 KiB, want at least %v", received, scopes, scopes*2<<10)
	}
}

// The names and helps are as Prometheus asks for.
func TestMetricsLint(t *testing.T) {
	t.Parallel()
	bed := testbed.New(t, testbed.Options{})
	families, err := bed.Server.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		t.Errorf("%s: %s", problem.Metric, problem.Text)
	}
}

// Whatever clients call themselves and ask for, there are as many series as before,
// and none has a word of theirs.
func TestSeriesAreBounded(t *testing.T) {
	t.Parallel()
	const clients, callers = 10_000, 16
	const word = "HOSTILE"
	bed := testbed.New(t, testbed.Options{})
	before := values(t, bed.Server.Metrics)
	ctx := testbed.Context(t)
	var all sync.WaitGroup
	for caller := range callers {
		all.Go(func() {
			for i := caller; i < clients/slowness; i += callers {
				name := fmt.Sprint(word, i)
				// An upload without a scope is refused when it has begun.
				_, _ = testbed.UploadOnce(ctx, bed.Client, &symdbv1.UploadMetadata{
					Service: name, Version: new(name), Language: name, Env: &name, RuntimeId: name,
				}, nil)
				_ = bed.Conn.Invoke(ctx, "/"+name+"/"+name, &symdbv1.Scope{}, &symdbv1.Scope{})
			}
		})
	}
	all.Wait()
	after := values(t, bed.Server.Metrics)
	if len(after) != len(before) {
		t.Errorf("%d series, %d before, want %v", len(after), len(before), len(before))
	}
	for name := range after {
		if strings.Contains(name, word) {
			t.Errorf("a client's text is in %s", name)
		}
	}
	requireValues(t, after, map[string]float64{
		"scopegate_uploads_total{code=" + codes.InvalidArgument.String() + ",reason=STREAM_INVALID}": clients / slowness,
	})
}
