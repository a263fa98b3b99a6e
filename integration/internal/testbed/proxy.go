package testbed

import (
	"fmt"
	"strings"
	"testing"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"
)

// Proxy is a proxy of an address that disturbs connections.
type Proxy struct{ proxy *toxiproxy.Proxy }

// NewProxy returns a proxy of the address. It stops when the test ends.
func NewProxy(tb testing.TB, upstream string) *Proxy {
	tb.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	proxy := toxiproxy.NewProxy(server, tb.Name(), ReserveAddress(tb), upstream)
	if err := proxy.Start(); err != nil {
		tb.Fatalf("start proxy: %v", err)
	}
	tb.Cleanup(proxy.Stop)
	return &Proxy{proxy}
}

// Address returns the address that the proxy listens on.
func (p *Proxy) Address() string { return p.proxy.Listen }

// Spoil adds a toxic of that type, with its attributes as JSON, to the stream: upstream or
// downstream.
func (p *Proxy) Spoil(kind, stream, attributes string) error {
	toxic := fmt.Sprintf(`{"type": %q, "stream": %q, "attributes": %s}`, kind, stream, attributes)
	if _, err := p.proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
		return fmt.Errorf("add toxic %s: %w", kind, err)
	}
	return nil
}

// Cut closes all connections and accepts no others until Mend.
func (p *Proxy) Cut() { p.proxy.Stop() }

// Mend accepts connections again, without toxics.
func (p *Proxy) Mend() error {
	if err := p.proxy.Start(); err != nil {
		return fmt.Errorf("start proxy: %w", err)
	}
	return nil
}

// ProxyLeaks ignores goroutines of toxiproxy, which does not always end them when a proxy
// stops.
func ProxyLeaks() []goleak.Option {
	return []goleak.Option{
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*ToxicStub).Run"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*ToxicLink).read"),
	}
}
