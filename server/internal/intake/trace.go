package intake

import (
	"net/http"
	"net/url"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Traced records each attempt as a span, in the trace of Forward's context, and sends
// the intake its W3C Trace Context. The span has the URL without user and query, and no
// headers.
func Traced(provider trace.TracerProvider) Option {
	return func(c *Client) {
		c.shown = &url.URL{Scheme: c.url.Scheme, Host: c.url.Host, Path: c.url.Path, RawPath: c.url.RawPath}
		c.transport = otelhttp.NewTransport(addressed{to: c.url, next: c.transport},
			otelhttp.WithTracerProvider(provider),
			otelhttp.WithMeterProvider(metricnoop.NewMeterProvider()),
			otelhttp.WithPropagators(propagation.TraceContext{}),
			otelhttp.WithSpanNameFormatter(func(string, *http.Request) string { return "attempt" }))
	}
}

// addressed sends requests to the full URL, which spans must not contain.
type addressed struct {
	to   *url.URL
	next http.RoundTripper
}

// RoundTrip sends the request to the URL.
func (a addressed) RoundTrip(req *http.Request) (*http.Response, error) {
	sent := *req // Clone would copy the headers too
	sent.URL = a.to
	return a.next.RoundTrip(&sent)
}
