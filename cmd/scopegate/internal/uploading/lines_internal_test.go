package uploading

import (
	"strings"
	"sync"
	"testing"

	"github.com/scopegate/scopegate/client"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// Errors about scopes name their lines.
func TestLines(t *testing.T) {
	t.Parallel()
	l := newLines()
	small, large := &symdbv1.Scope{}, &symdbv1.Scope{ScopeType: strings.Repeat("x", client.DefaultMaxMessageBytes)}
	for _, line := range []int{2, 3, 6, 6, 6, 7} {
		l.add(small, line)
	}
	l.add(large, 8)
	l.add(small, 9)
	for text, want := range map[string]string{
		"upload: send scope 0: no":            "upload: send the scope of line 2: no",
		"send scope 3: no":                    "send the scope of line 6: no",
		"send scope 7: no":                    "send the scope of line 9: no",
		"send scope 8: no":                    "send scope 8: no",
		"scope[1].scopes[3].name: required":   "line 3: scopes[3].name: required",
		"scope[5]: malformed":                 "line 7: malformed",
		"scope[6]: malformed":                 "line 8: malformed",
		"scope[7]: malformed":                 "scope[7]: malformed", // the client has split the scope before it
		"scope[99999999999999999999]: no":     "scope[99999999999999999999]: no",
		"metadata.service: scope[0]x, scope1": "metadata.service: scope[0]x, scope1",
	} {
		if got := l.named(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	for i := range 2 * maxRuns {
		l.add(small, 10+2*i)
	}
	if len(l.runs) != maxRuns || l.ofScope(l.count-1) == 0 || l.ofScope(l.count) != 0 {
		t.Errorf("%d runs and %d scopes are remembered, want %d runs", len(l.runs), l.count, maxRuns)
	}
	if got := (*Lines)(nil).named("scope[1]: no"); got != "scope[1]: no" {
		t.Errorf("without lines: got %q", got)
	}
}

// Errors are explained while scopes are read. The race detector checks it.
func TestLinesConcurrently(t *testing.T) {
	t.Parallel()
	large := &symdbv1.Scope{ScopeType: strings.Repeat("x", client.DefaultMaxMessageBytes)}
	for range 200 {
		l := newLines()
		var adding sync.WaitGroup
		adding.Go(func() { l.add(large, 1) })
		if got := l.named("scope[1]: no"); got != "scope[1]: no" {
			t.Errorf("got %q, want it unchanged", got)
		}
		adding.Wait()
	}
}
