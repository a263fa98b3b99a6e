package testbed

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/scopegate/scopegate/integration/wait"
)

// Proxy is a proxy of an address that disturbs connections. It is one of toxiproxy's, which
// runs as a process.
type Proxy struct {
	tb  testing.TB
	api string // URL of toxiproxy's API
	// address is also the proxy's name.
	address, upstream string
}

// NewProxy returns a proxy of the address. It stops when the test ends.
func NewProxy(tb testing.TB, upstream string) *Proxy {
	tb.Helper()
	api, err := toxiproxyAPI()
	if err != nil {
		tb.Fatalf("start toxiproxy: %v", err)
	}
	p := &Proxy{tb: tb, api: api, address: ReserveAddress(tb), upstream: upstream}
	if err := p.Mend(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.Cut)
	return p
}

// Address returns the address that the proxy listens on.
func (p *Proxy) Address() string { return p.address }

// Spoil adds a toxic of that type, with its attributes as JSON, to the stream: upstream or
// downstream.
func (p *Proxy) Spoil(kind, stream, attributes string) error {
	toxic := map[string]any{"type": kind, "stream": stream, "attributes": json.RawMessage(attributes)}
	if err := p.call(http.MethodPost, "/proxies/"+p.address+"/toxics", toxic, http.StatusOK); err != nil {
		return fmt.Errorf("add toxic %s: %w", kind, err)
	}
	return nil
}

// Cut closes all connections and accepts no others until Mend.
func (p *Proxy) Cut() {
	err := p.call(http.MethodDelete, "/proxies/"+p.address, nil, http.StatusNoContent, http.StatusNotFound)
	if err != nil {
		p.tb.Errorf("cut proxy: %v", err)
	}
}

// Mend accepts connections again, without toxics.
func (p *Proxy) Mend() error {
	proxy := map[string]any{"name": p.address, "listen": p.address, "upstream": p.upstream, "enabled": true}
	// A proxy that was cut may be about to close its listener.
	err := wait.Until(p.tb, "the proxy's address to be free",
		func() error { return p.call(http.MethodPost, "/proxies", proxy, http.StatusCreated) },
		func(err error) bool { return err == nil || !strings.Contains(err.Error(), "address already in use") })
	if err != nil {
		return fmt.Errorf("start proxy: %w", err)
	}
	return nil
}

// call calls toxiproxy's API. Answers with other statuses than those wanted are errors.
func (p *Proxy) call(method, path string, body any, wanted ...int) error {
	// The test's context has ended when the proxy is cut at the end.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.tb.Context()), patience)
	defer cancel()
	content, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, p.api+path, strings.NewReader(string(content)))
	if err != nil {
		return err
	}
	response, err := toxiproxyClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if !slices.Contains(wanted, response.StatusCode) {
		return fmt.Errorf("toxiproxy answers %s, want %v: %s", response.Status, wanted, answer)
	}
	return nil
}
