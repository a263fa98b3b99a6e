package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
)

// The routes of docs/intake.md.
const (
	agentPath        = "/symdb/v1/input"
	agentDefaultHost = "localhost"
	agentDefaultPort = "8126"
	agentSocket      = "/var/run/datadog/apm.socket"
	defaultSite      = "datadoghq.com"
	backendPrefix    = "debugger-intake."
	backendPath      = "/api/v2/debugger"
)

// destination is the intake, and why it was chosen.
type destination struct {
	// url is in the form of server.IntakeConfig.
	url string
	// apiKey is sent with each batch; empty for an agent.
	apiKey string
	// source names the flag, variables or file that it was chosen by.
	source string
}

const keyIsExposed = "the API key travels unencrypted, because the intake's URL is not https"

// keyIsExposed reports whether the API key travels unencrypted.
func (d destination) keyIsExposed() bool {
	return d.apiKey != "" && strings.HasPrefix(strings.ToLower(d.url), "http://")
}

// chosen holds the values of scopegate's own flags and variables.
type chosen struct {
	intakeURL string
	key       string
	keySource string
}

// resolveDestination chooses the destination by the first of these that is set:
//
//   - the intake URL
//   - scopegate's own API key: straight to the backend of DD_SITE
//   - DD_TRACE_AGENT_URL: an agent
//   - DD_AGENT_HOST, DD_TRACE_AGENT_PORT: an agent
//   - DD_API_KEY: straight to the backend of DD_SITE
//   - the socket file of an agent on this host
//   - an agent at localhost:8126
//
// Many hosts have DD_API_KEY set for other programs, so it is sent to an intake URL only
// over https; scopegate's own API key is always sent. Errors are a
// [*settings.UsageError] and contain no secrets.
func resolveDestination(c chosen, getenv func(string) string, exists func(string) bool) (destination, error) {
	agentURL, agentHost, agentPort := getenv("DD_TRACE_AGENT_URL"), getenv("DD_AGENT_HOST"), getenv("DD_TRACE_AGENT_PORT")
	switch {
	case c.intakeURL != "":
		return givenURL(c, getenv("DD_API_KEY"))
	case c.key != "":
		return backend(getenv("DD_SITE"), c.key, c.keySource)
	case agentURL != "":
		return agentAtURL(agentURL)
	case agentHost != "" || agentPort != "":
		return agentAtHost(agentHost, agentPort)
	case getenv("DD_API_KEY") != "":
		return backend(getenv("DD_SITE"), getenv("DD_API_KEY"), "DD_API_KEY")
	case exists(agentSocket):
		return destination{url: unixURL(agentSocket), source: "the agent's socket on this host"}, nil
	}
	return destination{
		url:    agentIntake(net.JoinHostPort(agentDefaultHost, agentDefaultPort)),
		source: "default: no flag or variable names an intake",
	}, nil
}

func givenURL(c chosen, ambientKey string) (destination, error) {
	d := destination{url: c.intakeURL, apiKey: c.key, source: "the intake URL of the configuration"}
	if c.key == "" && strings.HasPrefix(strings.ToLower(c.intakeURL), "https://") {
		d.apiKey = ambientKey
	}
	return d, nil
}

func backend(site, apiKey, keySource string) (destination, error) {
	source := keySource + " and DD_SITE"
	if site == "" {
		site, source = defaultSite, keySource+" and the default site"
	}
	if !settings.IsHostName(site) || !strings.Contains(site, ".") {
		return destination{}, &settings.UsageError{Err: fmt.Errorf("DD_SITE: not a host name such as %s", defaultSite)}
	}
	u := url.URL{Scheme: "https", Host: backendPrefix + site, Path: backendPath}
	return destination{url: u.String(), apiKey: apiKey, source: source}, nil
}

func agentAtURL(raw string) (destination, error) {
	const source = "DD_TRACE_AGENT_URL"
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return destination{}, &settings.UsageError{Err: errors.New(source + ": not a URL")}
	case u.Scheme == "unix" && u.Host == "" && settings.CheckSocketPath(u.Path) == nil && !strings.Contains(u.Path, ":"):
		return destination{url: unixURL(u.Path), source: source}, nil
	case (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && isPortOf(u):
		return destination{url: u.JoinPath(agentPath).String(), source: source}, nil
	}
	return destination{}, &settings.UsageError{
		Err: errors.New(source + ": not http://host:port, https://host:port or unix:///path"),
	}
}

func agentAtHost(host, port string) (destination, error) {
	source := "DD_AGENT_HOST and DD_TRACE_AGENT_PORT"
	switch {
	case host == "":
		host, source = agentDefaultHost, "DD_TRACE_AGENT_PORT"
	case port == "":
		port, source = agentDefaultPort, "DD_AGENT_HOST"
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if !settings.IsHostName(host) && net.ParseIP(host) == nil {
		return destination{}, &settings.UsageError{Err: errors.New("DD_AGENT_HOST: neither a host name nor an IP address")}
	}
	if !settings.IsPort(port) {
		return destination{}, &settings.UsageError{Err: errors.New("DD_TRACE_AGENT_PORT: not a port number")}
	}
	return destination{url: agentIntake(net.JoinHostPort(host, port)), source: source}, nil
}

func agentIntake(host string) string {
	u := url.URL{Scheme: "http", Host: host, Path: agentPath}
	return u.String()
}

// unixURL escapes the socket's path, because the URL is parsed again.
func unixURL(socket string) string {
	u := url.URL{Scheme: "unix", Path: socket + ":" + agentPath}
	return u.String()
}
