package integration_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	tracesdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc"

	"github.com/scopegate/scopegate/client"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/internal/testbed"
	"github.com/scopegate/scopegate/server"
)

// traces is where spans end up.
func traces() (*tracesdk.TracerProvider, *tracetest.InMemoryExporter) {
	spans := tracetest.NewInMemoryExporter()
	return tracesdk.NewTracerProvider(tracesdk.WithSyncer(spans)), spans
}

// An upload is one trace: the client's own span, the call, each batch and each
// attempt at it. The intake is told of it, and no secret is in it.
func TestUploadIsOneTrace(t *testing.T) {
	t.Parallel()
	provider, spans := traces()
	var posts atomic.Int64
	bed := testbed.New(t, testbed.Options{
		Configure: threshold(16 << 10),
		Server:    []server.Option{server.WithTracerProvider(provider)},
		Fault: func(w http.ResponseWriter, r *http.Request, _ testbed.Post, accept http.HandlerFunc) {
			if posts.Add(1) > 1 {
				accept(w, r)
				return
			}
			w.WriteHeader(http.StatusServiceUnavailable)
		},
	})
	uploader, err := client.Dial(bed.Server.Target(), client.WithDialOptions(grpc.WithStatsHandler(otelgrpc.NewClientHandler(
		otelgrpc.WithTracerProvider(provider), otelgrpc.WithMeterProvider(metricnoop.NewMeterProvider()),
		otelgrpc.WithPropagators(propagation.TraceContext{})))))
	if err != nil {
		t.Fatal(err)
	}
	defer uploader.Close()
	source := testbed.NewSource(1)
	var scopes []*symdbv1.Scope
	for range 20 {
		scopes = append(scopes, source.Noise(2<<10))
	}
	ctx, root := provider.Tracer("test").Start(testbed.Context(t), "root")
	summary, err := testbed.Upload(ctx, uploader, testbed.NewMetadata(), scopes)
	root.End()
	if err != nil {
		t.Fatal(err)
	}
	_ = uploader.Close()
	bed.Stop(t)

	recorded := spans.GetSpans()
	names := map[string]string{}
	for _, span := range recorded {
		names[span.SpanContext.SpanID().String()] = fmt.Sprint(span.Name, " ", span.SpanKind)
	}
	counts := map[string]int{}
	for _, span := range recorded {
		if span.SpanContext.TraceID() != root.SpanContext().TraceID() {
			t.Errorf("span %q is in another trace", span.Name)
		}
		counts[names[span.Parent.SpanID().String()]+" > "+fmt.Sprint(span.Name, " ", span.SpanKind)]++
		if text := fmt.Sprint(span); strings.Contains(text, testbed.Canary) {
			t.Errorf("there is a secret in %s", text)
		}
	}
	const call = "symdb.v1.SymbolDatabaseService/UploadScopes"
	batches := int(summary.GetBatchCount())
	want := map[string]int{
		" > root internal":                     1,
		"root internal > " + call + " client":  1,
		call + " client > " + call + " server": 1,
		call + " server > batch internal":      batches,
		"batch internal > attempt client":      batches + 1,
	}
	if fmt.Sprint(counts) != fmt.Sprint(want) || batches < 2 {
		t.Errorf("spans are %v, want %v", counts, want)
	}
	for _, post := range bed.Intake.Posts() {
		if parent := post.Header.Get("Traceparent"); !strings.Contains(parent, root.SpanContext().TraceID().String()) {
			t.Errorf("the intake got trace %q, want %s", parent, root.SpanContext().TraceID())
		}
		if post.Header.Get("Baggage") != "" {
			t.Error("the client's baggage reached the intake")
		}
	}
	requireAttributes(t, recorded, summary)
}

// requireAttributes checks what the spans say of the upload and its batches.
func requireAttributes(t *testing.T, spans tracetest.SpanStubs, summary *symdbv1.UploadScopesResponse) {
	t.Helper()
	var bytes, scopes int64
	for _, span := range spans {
		for _, a := range span.Attributes {
			switch a.Key {
			case "scopegate.upload_id":
				if a.Value.AsString() != summary.GetUploadId() {
					t.Errorf("a span says upload %s, want %v", a.Value.AsString(), summary.GetUploadId())
				}
			case "scopegate.batch.gzip_bytes":
				bytes += a.Value.AsInt64()
			case "scopegate.batch.scopes":
				scopes += a.Value.AsInt64()
			case "url.full":
				if strings.ContainsAny(a.Value.AsString(), "@?") {
					t.Errorf("a span shows the URL %s", a.Value.AsString())
				}
			}
		}
	}
	if bytes != summary.GetCompressedBytes() || scopes != summary.GetScopeCount() {
		t.Errorf("spans say %d bytes and %d scopes, the summary %v, want bytes %v and scopes %v", bytes, scopes, summary, summary.GetCompressedBytes(), summary.GetScopeCount())
	}
}

// Where tracing is off, a client's trace is nobody's business.
func TestTracingIsOffByDefault(t *testing.T) {
	t.Parallel()
	provider, _ := traces()
	bed := testbed.New(t, testbed.Options{})
	conn := bed.Connect(t, grpc.WithStatsHandler(otelgrpc.NewClientHandler(
		otelgrpc.WithTracerProvider(provider), otelgrpc.WithPropagators(propagation.TraceContext{}))))
	_, err := testbed.UploadOnce(testbed.Context(t), testbed.NewClient(t, conn), testbed.NewMetadata(), testbed.NewSource(1).Functions(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, post := range bed.Intake.Posts() {
		if post.Header.Get("Traceparent") != "" {
			t.Error("the intake got a trace")
		}
	}
}
