package intake

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"

	"github.com/scopegate/scopegate/server/internal/batch"
)

// Config says where the intake is and how it is spoken to.
type Config struct {
	// URL is where batches are posted to: `http`, `https`, or
	// `unix:///path/to/socket:/path/of/url` for HTTP over a unix socket.
	URL string
	// APIKey is sent as DD-API-KEY, and with it what the backend's own intake
	// asks for. Empty: none of it is sent, as through an agent.
	APIKey string
	// AdditionalTags is sent as X-Datadog-Additional-Tags: `key:value` pairs,
	// separated by commas. Empty: not sent.
	AdditionalTags string
	// PostTimeout bounds one POST, from dialling to the end of the answer.
	PostTimeout time.Duration
}

// origin names this program to the backend's intake.
const origin = "scopegate"

// Client posts batches to one intake. It is safe for concurrent use.
type Client struct {
	config    Config
	url       *url.URL
	transport *http.Transport
}

// New returns a client. It does not contact the intake. It fails on a URL that
// can't be posted to.
func New(cfg Config) (*Client, error) {
	target, socket, err := parseURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		ForceAttemptHTTP2:   true,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     90 * time.Second,
		DisableCompression:  true,
	}
	if socket != "" {
		transport.Proxy = nil
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		}
	}
	return &Client{config: cfg, url: target, transport: transport}, nil
}

// Close closes the connections that are idle.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Forward posts the batch and returns nil when the intake has accepted it, that
// is, answered with a status of 2xx. Otherwise the error is an [*Error]. The
// batch is not read any more once Forward has returned.
func (c *Client) Forward(ctx context.Context, b *batch.Batch) error {
	form := newForm(b)
	err := c.post(ctx, form)
	form.wait()
	if err == nil {
		return nil
	}
	failure, ok := errors.AsType[*Error](err)
	if !ok {
		failure = &Error{Err: err}
	}
	failure.BatchNum = b.Num
	return failure
}

func (c *Client) post(ctx context.Context, form *form) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.config.PostTimeout, errPostTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url.String(), http.NoBody)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	req.Body = form.body()
	req.GetBody = func() (io.ReadCloser, error) { return form.body(), nil }
	req.ContentLength = form.length()
	req.Header.Set("Content-Type", form.contentType())
	if c.config.AdditionalTags != "" {
		req.Header.Set("X-Datadog-Additional-Tags", c.config.AdditionalTags)
	}
	if c.config.APIKey != "" {
		req.Header.Set("DD-API-KEY", c.config.APIKey)
		req.Header.Set("DD-EVP-ORIGIN", origin)
		req.Header.Set("DD-REQUEST-ID", uuid.NewString())
	}
	if user := c.url.User; user != nil {
		password, _ := user.Password()
		req.SetBasicAuth(user.Username(), password)
	}
	// Not by an http.Client, which would follow a redirect, and so carry the key
	// to wherever the answer says.
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return noAnswer(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	return readAnswer(ctx, resp)
}
