package intake

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/scopegate/scopegate/server/internal/secret"
)

// Config says where the intake is and how it is spoken to.
type Config struct {
	// URL is where batches are posted to: `http`, `https`, or
	// `unix:///path/to/socket:/path/of/url` for HTTP over a unix socket.
	URL string
	// APIKey is sent as DD-API-KEY, and with it what the backend's own intake
	// asks for. Empty: none of it is sent, as through an agent.
	APIKey secret.Secret
	// AdditionalTags is sent as X-Datadog-Additional-Tags: `key:value` pairs,
	// separated by commas. Empty: not sent.
	AdditionalTags string
	// PostTimeout bounds one POST, from dialling to the end of the answer.
	// It begins when it is the batch's turn, see MaxConnections.
	PostTimeout time.Duration
	// BatchDeadline is until when attempts to forward one batch begin. The last one
	// ends by PostTimeout: to cut it off would leave the batch in doubt. 0: as long as
	// the caller's context lives. The clock stands still while the batch waits for its
	// turn: that it is behind others says nothing against an intake that takes one
	// after the other, and to fail it would only bring it back later, at the end of
	// the line. Should the intake go down meanwhile, the batch is sent from the line
	// to the gate, and the clock goes on.
	BatchDeadline time.Duration
	// MaxConnections bounds the connections to the intake, those that are idle
	// included, and the POSTs that are on their way at once. The batches above it
	// wait for their turn, round robin between services, until their context ends.
	// A batch in its back-off, or one that waits for the intake to be back, has no
	// turn. At least 1.
	//
	// A connection costs about 14 KB of memory while it is idle: net/http's buffers
	// of 4 KiB each way, and two goroutines. It costs about 100 KB while a batch
	// goes out, as net/http then holds two copy buffers of 32 KiB, and its stacks
	// have grown. That is without TLS and the kernel's buffers. A batch that waits
	// for its turn costs 3 KB, besides itself.
	MaxConnections int
	// TLS returns the configuration of new connections to an https URL, or to a proxy
	// of that scheme, and another pointer once it has changed: connections with the
	// one before are then used for no further batch. It must be safe for concurrent
	// use. Nil: the system's authorities are trusted, from TLS 1.2 on.
	TLS func() *tls.Config
	// Retry says when a batch is sent again. The zero value stands for
	// [DefaultRetry].
	Retry Retry
}

// origin names this program to the backend's intake.
const origin = "scopegate"

// Client posts batches to one intake. It is safe for concurrent use. What it
// learns about the intake from one batch it heeds with all, so there shall be one
// client an intake.
type Client struct {
	config Config
	url    *url.URL
	socket string // empty: the URL says it all
	// shown is the URL as requests carry it until the last moment, for others to
	// see.
	shown     *url.URL
	proxy     *url.URL // nil: batches go straight to the intake
	dial      dialFunc
	conns     *conns
	transport http.RoundTripper
	pool      *renewed
	secrets   secret.Redactor // of what goes with each POST
	onAttempt func(Attempt)
	turns     *turns
}

// Option is a collaborator of a client.
type Option func(*Client)

// secretsOf returns what an intake, or the proxy in front of it, is sent and must not
// be repeated to anybody: the key, the credentials in the URLs, in each form in which
// they travel, and what the intake's query says at any length.
func secretsOf(apiKey secret.Secret, target, proxy *url.URL) []secret.Secret {
	secrets := []secret.Secret{apiKey}
	for _, u := range []*url.URL{target, proxy} {
		if u == nil || u.User == nil {
			continue
		}
		password, _ := u.User.Password()
		basic := base64.StdEncoding.EncodeToString([]byte(u.User.Username() + ":" + password))
		secrets = append(secrets, secret.New(password), secret.New(basic))
		if len(u.User.Username()) >= minQuerySecret {
			secrets = append(secrets, secret.New(u.User.Username()))
		}
	}
	for _, values := range target.Query() {
		for _, value := range values {
			if len(value) >= minQuerySecret {
				secrets = append(secrets, secret.New(value))
			}
		}
	}
	return secrets
}

// minQuerySecret is the length at which what may be a secret is taken for one.
const minQuerySecret = 6

// OnAttempt has f called after each attempt, before the next one and before
// Forward returns. It is called from the goroutines that forward, so it must be
// safe for concurrent use and must not block.
func OnAttempt(f func(Attempt)) Option { return func(c *Client) { c.onAttempt = f } }

// New returns a client. It does not contact the intake. It fails on a URL that
// can't be posted to and on settings that are out of range.
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
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	c := &Client{
		config:  cfg,
		url:     target,
		socket:  socket,
		shown:   target,
		proxy:   proxy,
		dial:    dialTo(socket),
		conns:   newConns(),
		secrets: secret.NewRedactor(secretsOf(cfg.APIKey, target, proxy)...),
		turns:   newTurns(cfg),
	}
	c.pool = newRenewed(cfg.TLS, c.newTransport)
	c.transport = c.pool
	for _, option := range options {
		option(c)
	}
	return c, nil
}

func (c Config) validate() error {
	switch {
	case c.PostTimeout <= 0:
		return fmt.Errorf("intake post timeout %v is not positive", c.PostTimeout)
	case c.BatchDeadline < 0:
		return fmt.Errorf("intake batch deadline %v is negative", c.BatchDeadline)
	case c.MaxConnections < 1:
		return fmt.Errorf("intake max connections %d is not positive", c.MaxConnections)
	case !httpguts.ValidHeaderFieldValue(c.APIKey.Reveal()):
		return errors.New("intake API key has a control character")
	case !httpguts.ValidHeaderFieldValue(c.AdditionalTags):
		return errors.New("intake additional tags have a control character")
	}
	if err := c.Retry.Validate(); err != nil {
		return fmt.Errorf("intake retry: %w", err)
	}
	return nil
}

// probeInterval returns the time from a probe that hangs to the one beside it: as
// long as it takes for probes that hang until they time out to leave a turn free.
func (c Config) probeInterval() time.Duration {
	return max(c.Retry.BreakerDelay, c.PostTimeout/time.Duration(c.MaxConnections))
}

// Close ends all connections. A batch that is still on its way is not accepted.
func (c *Client) Close() {
	c.pool.CloseIdleConnections()
	c.conns.close()
}
