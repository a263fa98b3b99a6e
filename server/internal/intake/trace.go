package intake

import (
	"net/http"
	"net/url"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Traced makes a span of each attempt, in the trace of the context that Forward
// gets, and tells the intake of it (W3C Trace Context). The span shows the URL
// without user and query, and none of the headers.
func Traced(provider trace.TracerProvider) Option {
	return func(c *Client) {
		c.shown = &url.URL{Scheme: c.url.Scheme, Host: c.url.Host, Path: c.url.Path, RawPath: c.url.RawPath}
		c.transport = otelhttp.NewTransport(addressed{to: c.url, by: c.transport},
			otelhttp.WithTracerProvider(provider),
			otelhttp.WithMeterProvider(metricnoop.NewMeterProvider()),
			otelhttp.WithPropagators(propagation.TraceContext{}),
			otelhttp.WithSpanNameFormatter(func(string, *http.Request) string { return "attempt" }))
	}
}

// addressed gives requests the URL that others shall not see.
type addressed struct {
	to *url.URL
	by http.RoundTripper
}

// RoundTrip sends the request to the URL.
func (a addressed) RoundTrip(req *http.Request) (*http.Response, error) {
	sent := *req // not Clone, which would copy what is not changed
	sent.URL = a.to
	return a.by.RoundTrip(&sent)
}
