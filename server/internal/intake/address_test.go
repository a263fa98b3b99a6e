package intake_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/intake"
	"github.com/scopegate/scopegate/server/internal/secret"
)

// addressed is what a request says of where a batch comes from.
type addressed struct {
	Query  url.Values
	Header map[string]string
}

// addressOf returns what reaches an intake with one batch.
func addressOf(t *testing.T, cfg intake.Config, query string, from intake.Caller, h batch.Header) addressed {
	t.Helper()
	var got addressed
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = addressed{Query: r.URL.Query(), Header: map[string]string{}}
		for _, name := range []string{
			"X-Datadog-Additional-Tags", "Datadog-Container-ID", "Datadog-Entity-ID", "Datadog-External-Env",
			"DD-API-KEY", "DD-EVP-ORIGIN", "DD-EVP-ORIGIN-VERSION", "Authorization",
		} {
			if value := r.Header.Get(name); value != "" {
				got.Header[name] = value
			}
		}
		if direct := r.Header.Get("DD-API-KEY") != ""; direct != (r.Header.Get("DD-REQUEST-ID") != "") {
			t.Errorf("DD-REQUEST-ID is there: %v, want %v", !direct, direct)
		}
	}))
	defer server.Close()
	cfg.URL, cfg.PostTimeout = server.URL+"/in"+query, time.Minute
	b := *smallBatch()
	h.Service = "shop"
	b.Header = &h
	if err := newClient(t, cfg).Forward(t.Context(), from, &b); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestAddress(t *testing.T) {
	t.Parallel()
	process := batch.Header{Tags: "team:b,git.commit.sha:12ab, ,host:p", ContainerID: "c0", EntityID: "in-1", ExternalEnv: "it-false,cn-x"}
	direct := intake.Config{
		APIKey: secret.New("key"), Origin: "agent-symdb", OriginVersion: "1.2",
		AgentTags: "host:own,default_env:none,agent_version:1.2",
	}
	for name, tt := range map[string]struct {
		cfg   intake.Config
		query string
		from  intake.Caller
		h     batch.Header
		want  addressed
	}{
		"an agent, nothing to say": {want: addressed{Query: url.Values{}, Header: map[string]string{}}},
		"an agent": {
			cfg: intake.Config{AdditionalTags: "team:a,dc:x", AgentTags: "host:own"}, query: "?ddtags=q:1", h: process,
			want: addressed{Query: url.Values{"ddtags": {"q:1"}}, Header: map[string]string{
				"X-Datadog-Additional-Tags": "team:a,dc:x,git.commit.sha:12ab,host:p",
				"Datadog-Container-ID":      "c0", "Datadog-Entity-ID": "in-1", "Datadog-External-Env": "it-false,cn-x",
			}},
		},
		"a tenant's tags": {
			cfg: intake.Config{AdditionalTags: "team:a"}, from: intake.Caller{AdditionalTags: "team:t,team:u"}, h: process,
			want: addressed{Query: url.Values{}, Header: map[string]string{
				"X-Datadog-Additional-Tags": "team:t,team:u,git.commit.sha:12ab,host:p",
				"Datadog-Container-ID":      "c0", "Datadog-Entity-ID": "in-1", "Datadog-External-Env": "it-false,cn-x",
			}},
		},
		"the backend": {
			cfg: direct, query: "?x=y&ddtags=q:1", h: process,
			want: addressed{
				Query: url.Values{"x": {"y"}, "ddtags": {"q:1,team:b,git.commit.sha:12ab,host:p,default_env:none,agent_version:1.2"}},
				Header: map[string]string{
					"DD-API-KEY": "key", "DD-EVP-ORIGIN": "agent-symdb", "DD-EVP-ORIGIN-VERSION": "1.2",
					"X-Datadog-Additional-Tags": "team:b,git.commit.sha:12ab,host:p",
				},
			},
		},
		"the backend, of a process that says nothing": {
			cfg: direct,
			want: addressed{
				Query:  url.Values{"ddtags": {"host:own,default_env:none,agent_version:1.2"}},
				Header: map[string]string{"DD-API-KEY": "key", "DD-EVP-ORIGIN": "agent-symdb", "DD-EVP-ORIGIN-VERSION": "1.2"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := addressOf(t, tt.cfg, tt.query, tt.from, tt.h)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// An agent that answers 404 is asked once whether it takes symbols.
func TestAgentWithoutRoute(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		info   any // the answer to GET /info; nil: 404
		key    string
		unable bool
		asked  int64
	}{
		"an old agent":             {info: map[string]any{"version": "7.40.0", "endpoints": []string{"/v0.4/traces"}}, unable: true, asked: 1},
		"one with the route":       {info: map[string]any{"endpoints": []string{"/v0.4/traces", "/symdb/v1/input"}}, asked: 1},
		"no agent":                 {asked: 1},
		"something else":           {info: "hello", asked: 1},
		"the backend is not asked": {key: "key", info: map[string]any{"endpoints": []string{"/v0.4/traces"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/info" {
					http.NotFound(w, r)
					return
				}
				asked.Add(1)
				if tt.info == nil {
					http.NotFound(w, r)
					return
				}
				if err := json.NewEncoder(w).Encode(tt.info); err != nil {
					t.Error(err)
				}
			}))
			t.Cleanup(server.Close)
			client := newClient(t, intake.Config{
				URL: server.URL + "/symdb/v1/input", APIKey: secret.New(tt.key), PostTimeout: time.Minute,
			})
			for range 2 {
				err := client.Forward(t.Context(), intake.Caller{}, smallBatch())
				failure, ok := errors.AsType[*intake.Error](err)
				if !ok || failure.HTTPStatus != http.StatusNotFound || (failure.Unsupported != "") != tt.unable {
					t.Errorf("%v, want 404, and that the agent is unable: %v", err, tt.unable)
				}
			}
			if got := asked.Load(); got != tt.asked {
				t.Errorf("asked %d times, want %d", got, tt.asked)
			}
		})
	}
}
