// Package adminport asks the admin port of a running server, and prints its status.
// Start at [Open].
package adminport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
)

// maxAnswerBytes is far above the size of any status.
const maxAnswerBytes = 8 << 20

// Port is the admin port of a server.
type Port struct {
	address string
	host    string // of the requests' URL
	client  *http.Client
}

// Open returns the port at an address, host:port or unix:///path. It does not connect.
func Open(address string) (*Port, error) {
	p := &Port{address: address, host: address}
	transport := &http.Transport{DisableKeepAlives: true}
	if path, isUnix := strings.CutPrefix(address, settings.UnixScheme); isUnix {
		if err := settings.CheckSocketPath(path); err != nil {
			return nil, fmt.Errorf("%q: %w", address, err)
		}
		p.host = "localhost"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}
	} else if host, port, err := net.SplitHostPort(address); err != nil || !settings.IsPort(port) ||
		host != "" && !settings.IsHost(host) {
		return nil, fmt.Errorf("%q: neither host:port nor unix:///path", address)
	}
	p.client = &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return p, nil
}

// Address returns the address of the port.
func (p *Port) Address() string { return p.address }

// Ready returns nil if the server serves. Its error says what is wrong otherwise.
func (p *Port) Ready(ctx context.Context) error {
	status, _, err := p.get(ctx, "/readyz")
	switch {
	case err != nil:
		return err
	case status == http.StatusServiceUnavailable:
		return fmt.Errorf("the server at %s accepts no uploads: it is starting or stopping", p.address)
	case status != http.StatusOK:
		return p.refusal("/readyz", status)
	}
	return nil
}

// get asks for a path. Its errors are for people, and wrap only [context.Canceled].
func (p *Port) get(ctx context.Context, path string) (status int, body []byte, err error) {
	u := url.URL{Scheme: "http", Host: p.host, Path: path}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return 0, nil, fmt.Errorf("%q: %w", p.address, err)
	}
	res, err := p.client.Do(req)
	if err != nil {
		return 0, nil, p.explain(err)
	}
	defer res.Body.Close()
	body, err = io.ReadAll(io.LimitReader(res.Body, maxAnswerBytes))
	if err != nil {
		return 0, nil, p.explain(err)
	}
	return res.StatusCode, body, nil
}

// explain says what a failed request means, and what to do.
func (p *Port) explain(err error) error {
	if wrong, ok := errors.AsType[*url.Error](err); ok {
		err = wrong.Err
	}
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer from %s in time: see --timeout", p.address)
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("nothing is listening on %s: "+
			"start `scopegate serve` there, or set --admin to its --admin-listen", p.address)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("no permission to connect to %s: run this as the server's user", p.address)
	}
	if dialing, ok := errors.AsType[*net.OpError](err); ok && dialing.Op == "dial" {
		return fmt.Errorf("the admin port at %s can't be reached: %w; see --admin", p.address, dialing.Err)
	}
	// net/http has many texts for an answer that is not HTTP, or none.
	return fmt.Errorf("no HTTP at %s: set --admin to the server's --admin-listen, not its --listen", p.address)
}

// refusal says what an unexpected HTTP status means, and what to do.
func (p *Port) refusal(path string, status int) error {
	switch status {
	case http.StatusForbidden:
		return fmt.Errorf("the admin port at %s shows its status only to its own host: "+
			"run this there, or start the server with --admin-open", p.address)
	case http.StatusMisdirectedRequest:
		return fmt.Errorf("the admin port at %s refuses requests for this host name: "+
			"use its IP address, or start the server with --admin-host", p.address)
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return fmt.Errorf("no %s at %s: not an admin port, or one of an older server", path, p.address)
	}
	return fmt.Errorf("the admin port at %s answers with HTTP status %d: see the server's log", p.address, status)
}
