package intake

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/scopegate/scopegate/integration/wait"
	"github.com/scopegate/scopegate/server/internal/batch"
)

// TestCallersTakeTurns has a caller with many services wait behind its own batches,
// and each batch carry its caller's tags.
func TestCallersTakeTurns(t *testing.T) {
	t.Parallel()
	const noisy = 5
	tags := make(chan string)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		tags <- r.Header.Get("X-Datadog-Additional-Tags")
	}))
	defer server.Close()
	client, err := New(Config{URL: server.URL, PostTimeout: time.Minute, MaxConnections: 1, AdditionalTags: "own"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var forwarding sync.WaitGroup
	defer forwarding.Wait()
	begin := func(from Caller, service string, waiting int) {
		b := *testForm(t).file
		b.Header = &batch.Header{Service: service}
		forwarding.Go(func() {
			if err := client.Forward(t.Context(), from, &b); err != nil {
				t.Error(err)
			}
		})
		wait.Until(t, "a batch to wait", client.State, func(s State) bool { return s.Posting == 1 && s.Waiting == waiting })
	}
	for i := range noisy {
		begin(Caller{Name: "noisy", AdditionalTags: "noisy"}, string(rune('a'+i)), i)
	}
	begin(Caller{Name: "quiet"}, "f", noisy)
	var order []string
	for range noisy + 1 {
		order = append(order, <-tags)
	}
	if want := []string{"noisy", "noisy", "own", "noisy", "noisy", "noisy"}; !slices.Equal(order, want) {
		t.Errorf("served %v, want %v", order, want)
	}
}

// Neither blanks nor empty tags are sent.
func TestTagList(t *testing.T) {
	t.Parallel()
	sent := make(chan []string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		sent <- r.Header.Values("X-Datadog-Additional-Tags")
	}))
	defer server.Close()
	for tags, want := range map[string][]string{
		" team:shop ,env:prod": {"team:shop,env:prod"}, "a:b,": {"a:b"}, ",a:b,,c:d e": {"a:b,c:d e"}, " , ": nil, "": nil,
	} {
		client, err := New(Config{URL: server.URL, PostTimeout: time.Minute, MaxConnections: 1, AdditionalTags: tags})
		if err != nil {
			t.Fatal(err)
		}
		b := *testForm(t).file
		b.Header = &batch.Header{Service: "shop"}
		err = client.Forward(t.Context(), Caller{}, &b)
		client.Close()
		if got := <-sent; err != nil || !slices.Equal(got, want) {
			t.Errorf("%q is sent as %q, %v, want %v", tags, got, err, want)
		}
	}
}
