package intake

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

const (
	// agentRoute is the route that an agent needs. The Datadog Agent has it since
	// agentVersion: https://github.com/DataDog/datadog-agent/releases/tag/7.45.0.
	agentRoute   = "/symdb/v1/input"
	agentVersion = "7.45"

	maxInfoBytes = 1 << 20
	infoTimeout  = time.Second // a server that shuts down waits for it
)

// agentInfo is the result of asking an agent what it supports, at most once.
type agentInfo struct {
	once sync.Once
	// lacks says why the agent can't take symbols. It is empty if it can, or if that is not
	// known.
	lacks string
}

// unsupported returns why the agent can't take symbols, after it answered 404. It asks the
// agent at the first call only.
func (c *Client) unsupported(ctx context.Context) string {
	c.agent.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), infoTimeout)
		defer cancel()
		info, err := c.askAgent(ctx)
		if err != nil || len(info.Endpoints) == 0 || slices.Contains(info.Endpoints, agentRoute) {
			return
		}
		c.agent.lacks = fmt.Sprintf("this agent does not accept symbols (needs Datadog Agent %s or later, with %s)",
			agentVersion, agentRoute)
	})
	return c.agent.lacks
}

// agentAnswer is the part of an agent's answer to GET /info that matters here.
type agentAnswer struct {
	Endpoints []string `json:"endpoints"`
}

func (c *Client) askAgent(ctx context.Context) (agentAnswer, error) {
	at := &url.URL{Scheme: c.url.Scheme, Host: c.url.Host, Path: "/info"}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), http.NoBody)
	if err != nil {
		return agentAnswer{}, fmt.Errorf("ask agent: %w", err)
	}
	answer, err := c.reloader.RoundTrip(request)
	if err != nil {
		return agentAnswer{}, fmt.Errorf("ask agent: %w", err)
	}
	defer answer.Body.Close()
	var info agentAnswer
	if answer.StatusCode != http.StatusOK {
		return agentAnswer{}, fmt.Errorf("ask agent: it answered %d", answer.StatusCode)
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxInfoBytes)).Decode(&info); err != nil {
		return agentAnswer{}, fmt.Errorf("ask agent: %w", err)
	}
	return info, nil
}
