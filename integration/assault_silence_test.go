package integration_test

import "testing"

// TestAssaultSilence opens connections and says nothing in them.
func TestAssaultSilence(t *testing.T) {
	t.Parallel()
	conns := count(50, 400)
	assail(t, assault{name: "silent connections", short: true, attack: func(t *testing.T, s *assaulted) {
		t.Helper()
		for range conns {
			s.dial(t)
		}
		s.endure(count(5, 100))
	}})
}
