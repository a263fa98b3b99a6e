package intake

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/scopegate/scopegate/server/internal/secret"
)

// Config says where the intake is and how to talk to it.
type Config struct {
	// URL is where batches are posted: `http`, `https`, or
	// `unix:///path/to/socket:/path/of/url` for HTTP over a unix socket.
	URL string
	// APIKey is sent as DD-API-KEY, with the other headers that the backend's own
	// intake requires. Without it none of them is sent: an agent adds them.
	APIKey secret.Secret
	// Origin and OriginVersion are sent as DD-EVP-ORIGIN and DD-EVP-ORIGIN-VERSION,
	// unless they are empty, with APIKey.
	Origin, OriginVersion string
	// AdditionalTags are sent with each batch: `key:value` pairs, separated by commas.
	// They win over an upload's tags of the same key.
	AdditionalTags string
	// AgentTags are tags that an agent would add by itself. They are sent with APIKey. All
	// other tags win over them.
	AgentTags string
	// PostTimeout bounds one POST, from dialling to the end of the answer. It starts
	// with the batch's turn, see MaxConnections.
	PostTimeout time.Duration
	// BatchDeadline is how long to keep starting attempts at one batch. The last one may
	// end PostTimeout later: to cut it off would leave the batch in doubt. Waiting for a
	// turn (see MaxConnections) does not count, except during an outage: while the intake
	// accepts batches, giving up would only bring the batch back later, at the end of the
	// queue. 0 means until the caller's context ends.
	BatchDeadline time.Duration
	// MaxConnections bounds the connections to the intake, including idle ones, and
	// the concurrent POSTs. Other batches wait for their turn in a queue that is served
	// round robin between services. A batch has no turn during its back-off. At least 1.
	//
	// An idle connection costs about 14 KB of memory: net/http's buffers of 4 KiB each
	// way, and two goroutines. While it sends a batch it costs about 100 KB: net/http
	// then holds two copy buffers of 32 KiB, and its stacks have grown. TLS and the
	// kernel's buffers come on top. A batch that waits for its turn costs 3 KB, besides
	// itself.
	MaxConnections int
	// TLS returns the configuration for connections to an https URL, or to an https
	// proxy. When it returns a different pointer, connections with the previous
	// configuration are not used for other batches. It must be safe for concurrent use.
	// If nil, the system's authorities are trusted, with TLS 1.2 or later.
	TLS func() *tls.Config
	// Retry says when a batch is sent again. The zero value means [DefaultRetry].
	Retry Retry
}

// Client posts batches to one intake. It is safe for concurrent use. What it learns
// about the intake from one batch applies to all, so use one client per intake.
type Client struct {
	config Config
	url    *url.URL
	socket string // of a unix URL
	// shown is the URL that requests carry until they are traced; nil for their own.
	shown     *url.URL
	proxy     *url.URL // nil if there is none
	dial      dialFunc
	conns     *conns
	transport http.RoundTripper
	reloader  *reloader
	secrets   secret.Redactor // of the secrets in requests
	onAttempt func(Attempt)
	turns     *turns
	agent     agentInfo
}

// Option passes a collaborator to [New].
type Option func(*Client)

// OnAttempt calls f after each attempt, before the next one and before Forward returns.
// The goroutines that forward call it, so it must be safe for concurrent use and must
// not block.
func OnAttempt(f func(Attempt)) Option { return func(c *Client) { c.onAttempt = f } }

// DialWith makes the client open its connections with dial.
func DialWith(dial func(ctx context.Context, network, address string) (net.Conn, error)) Option {
	return func(c *Client) { c.dial = dial }
}

// New returns a client. It does not contact the intake. It returns an error if the URL or
// the URL of a proxy is invalid. The caller must have checked the other settings.
func New(cfg Config, options ...Option) (*Client, error) {
	target, socket, err := parseURL(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("the intake's URL %w", err)
	}
	proxy, err := proxyFor(target, socket)
	if err != nil {
		return nil, err
	}
	if cfg.Retry == (Retry{}) {
		cfg.Retry = DefaultRetry()
	}
	c := &Client{
		config:  cfg,
		url:     target,
		socket:  socket,
		proxy:   proxy,
		dial:    newDialer(socket),
		conns:   newConns(),
		secrets: secret.NewRedactor(secretsOf(cfg.APIKey, target, proxy)...),
		turns:   newTurns(cfg),
	}
	c.reloader = newReloader(cfg.TLS, c.newTransport)
	c.transport = c.reloader
	for _, option := range options {
		option(c)
	}
	return c, nil
}

// State describes a client at one moment.
type State struct {
	Health Health
	// RetryAt is when the next attempt may start, if none may now; else zero.
	RetryAt time.Time
	// Connections is the number of open connections, and MaxConnections their limit.
	Connections, MaxConnections int
	// Posting is the number of batches that have a turn. Waiting is the number that
	// wait for one; 0 during an outage, when they wait for the intake.
	Posting, Waiting int
	// SilentSince is the time since which batches are being posted without any answer. It
	// is zero if none is being posted.
	SilentSince time.Time
}

// State returns the current state.
func (c *Client) State() State {
	s := State{Connections: c.conns.count(), MaxConnections: c.config.MaxConnections}
	now, t := time.Now(), c.turns
	t.mu.Lock()
	defer t.mu.Unlock()
	s.Health, s.Posting, s.SilentSince = t.breaker.health(now), t.limit-t.free, t.silentSince
	if !t.breaker.held(now) {
		s.Waiting = t.queue.count
	} else if wait := t.breaker.wait(now); wait > 0 {
		s.RetryAt = now.Add(wait)
	}
	return s
}

// Close closes all connections. A batch that is being forwarded is not accepted.
func (c *Client) Close() {
	c.reloader.closeIdle()
	c.conns.close()
}
