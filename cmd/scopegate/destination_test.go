package main

import (
	"strings"
	"testing"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
)

func TestResolveDestination(t *testing.T) {
	t.Parallel()
	const agent = "http://localhost:8126/symdb/v1/input"
	for _, test := range []struct {
		name      string
		own       chosen
		variables map[string]string
		socket    bool
		want      destination
	}{
		{
			name: "nothing is known",
			want: destination{url: agent, source: "default: no flag or variable names an intake"},
		},
		{
			name: "the agent's socket", socket: true,
			want: destination{
				url:    "unix:///var/run/datadog/apm.socket:/symdb/v1/input",
				source: "the agent's socket on this host",
			},
		},
		{
			name:      "agent URL over everything else in the environment",
			variables: map[string]string{"DD_TRACE_AGENT_URL": "http://agent:9126", "DD_AGENT_HOST": "other", "DD_API_KEY": "k"},
			socket:    true,
			want:      destination{url: "http://agent:9126/symdb/v1/input", source: "DD_TRACE_AGENT_URL"},
		},
		{
			name:      "agent URL with a path",
			variables: map[string]string{"DD_TRACE_AGENT_URL": "https://proxy/agent/"},
			want:      destination{url: "https://proxy/agent/symdb/v1/input", source: "DD_TRACE_AGENT_URL"},
		},
		{
			name:      "agent URL of a socket",
			variables: map[string]string{"DD_TRACE_AGENT_URL": "unix:///tmp/apm.socket"},
			want:      destination{url: "unix:///tmp/apm.socket:/symdb/v1/input", source: "DD_TRACE_AGENT_URL"},
		},
		{
			name:      "agent URL of a socket with escapes",
			variables: map[string]string{"DD_TRACE_AGENT_URL": "unix:///tmp/a%2541%3Fb%23c%20d.socket"},
			want:      destination{url: "unix:///tmp/a%2541%3Fb%23c%20d.socket:/symdb/v1/input", source: "DD_TRACE_AGENT_URL"},
		},
		{
			name:      "agent URL with escapes",
			variables: map[string]string{"DD_TRACE_AGENT_URL": "http://proxy/a%2541%2Fb"},
			want:      destination{url: "http://proxy/a%2541%2Fb/symdb/v1/input", source: "DD_TRACE_AGENT_URL"},
		},
		{
			name:      "agent host",
			variables: map[string]string{"DD_AGENT_HOST": "10.0.0.7", "DD_API_KEY": "k"},
			want:      destination{url: "http://10.0.0.7:8126/symdb/v1/input", source: "DD_AGENT_HOST"},
		},
		{
			name:      "agent port",
			variables: map[string]string{"DD_TRACE_AGENT_PORT": "9126"},
			want:      destination{url: "http://localhost:9126/symdb/v1/input", source: "DD_TRACE_AGENT_PORT"},
		},
		{
			name:      "agent host of IPv6 and port",
			variables: map[string]string{"DD_AGENT_HOST": "fd00::7", "DD_TRACE_AGENT_PORT": "9126"},
			want:      destination{url: "http://[fd00::7]:9126/symdb/v1/input", source: "DD_AGENT_HOST and DD_TRACE_AGENT_PORT"},
		},
		{
			name:      "API key of the environment",
			variables: map[string]string{"DD_API_KEY": "k"}, socket: true,
			want: destination{
				url: "https://debugger-intake.datadoghq.com/api/v2/debugger", apiKey: "k", source: "DD_API_KEY and the default site",
			},
		},
		{
			name:      "API key and site",
			variables: map[string]string{"DD_API_KEY": "k", "DD_SITE": "datadoghq.eu"},
			want: destination{
				url: "https://debugger-intake.datadoghq.eu/api/v2/debugger", apiKey: "k", source: "DD_API_KEY and DD_SITE",
			},
		},
		{
			name:      "own API key over an agent",
			own:       chosen{key: "own", keySource: "the file"},
			variables: map[string]string{"DD_TRACE_AGENT_URL": "http://agent:9126", "DD_API_KEY": "k"},
			want: destination{
				url: "https://debugger-intake.datadoghq.com/api/v2/debugger", apiKey: "own", source: "the file and the default site",
			},
		},
		{
			name:      "site alone decides nothing",
			variables: map[string]string{"DD_SITE": "datadoghq.eu"},
			want:      destination{url: agent, source: "default: no flag or variable names an intake"},
		},
		{
			name:      "intake URL over all",
			own:       chosen{intakeURL: "http://x/y"},
			variables: map[string]string{"DD_TRACE_AGENT_URL": "http://agent:9126", "DD_API_KEY": "k"},
			want:      destination{url: "http://x/y", source: "the intake URL of the configuration"},
		},
		{
			name:      "intake URL over https takes the key of the environment",
			own:       chosen{intakeURL: "HTTPS://x/y"},
			variables: map[string]string{"DD_API_KEY": "k"},
			want:      destination{url: "HTTPS://x/y", apiKey: "k", source: "the intake URL of the configuration"},
		},
		{
			name:      "intake URL with scopegate's own key",
			own:       chosen{intakeURL: "http://x/y", key: "own"},
			variables: map[string]string{"DD_API_KEY": "k"},
			want:      destination{url: "http://x/y", apiKey: "own", source: "the intake URL of the configuration"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			exists := func(path string) bool { return test.socket && path == agentSocket }
			got, err := resolveDestination(test.own, variables(test.variables), exists)
			if err != nil || got != test.want {
				t.Errorf("got %+v, %v\nwant %+v", got, err, test.want)
			}
		})
	}
}

func TestResolveDestinationRefuses(t *testing.T) {
	t.Parallel()
	for _, of := range []map[string]string{
		{"DD_TRACE_AGENT_URL": "agent:8126"},
		{"DD_TRACE_AGENT_URL": "ftp://secret@agent"},
		{"DD_TRACE_AGENT_URL": "http://"},
		{"DD_TRACE_AGENT_URL": "unix://relative"},
		{"DD_TRACE_AGENT_URL": "unix:///" + strings.Repeat("x", 108)},
		{"DD_TRACE_AGENT_URL": "unix:///folder/"},
		{"DD_TRACE_AGENT_URL": "http://host:99999"},
		{"DD_TRACE_AGENT_URL": "http://host:0"},
		{"DD_TRACE_AGENT_URL": "http://secret\x7f"},
		{"DD_AGENT_HOST": "http://agent"},
		{"DD_AGENT_HOST": "a/b"},
		{"DD_TRACE_AGENT_PORT": "http"},
		{"DD_TRACE_AGENT_PORT": "65536"},
		{"DD_TRACE_AGENT_PORT": "0"},
		{"DD_API_KEY": "secret", "DD_SITE": "evil/path?"},
	} {
		got, err := resolveDestination(chosen{}, variables(of), func(string) bool { return false })
		if exitCode(t.Context(), err) != exitUsage {
			t.Errorf("%q: got %+v, %v; want a usage error", of, got, err)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error tells a secret: %v", of, err)
		}
	}
}

func TestRedacted(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"http://host:8126/symdb":             "http://host:8126/symdb",
		"https://user:secret@host/x?k=s#f":   "https://redacted@host/x?redacted",
		"unix:///run/apm.socket:/symdb/v1/x": "unix:///run/apm.socket:/symdb/v1/x",
		"http://\x7f":                        "(not a URL)",
	} {
		if got := settings.Redacted(raw); got != want {
			t.Errorf("%q: got %q, want %q", raw, got, want)
		}
	}
}
