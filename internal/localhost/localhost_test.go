package localhost_test

import (
	"strings"
	"testing"

	"github.com/scopegate/scopegate/internal/localhost"
)

func TestHas(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]bool{
		"localhost:7777":                   true,
		"LOCALHOST:7777":                   true,
		"localhost":                        true,
		"127.0.0.1:7777":                   true,
		"127.9.9.9:7777":                   true,
		"[::1]:7777":                       true,
		"[::ffff:127.0.0.1]:7777":          true,
		"dns:///localhost:7777":            true,
		"dns:localhost:7777":               true,
		"dns://8.8.8.8/127.0.0.1:7777":     true,
		"passthrough:///127.0.0.1:7777":    true,
		"unix:relative":                    true,
		"unix:///run/scopegate.sock":       true,
		"unix-abstract:scopegate":          true,
		"unix-gate.example.com:7777":       false,
		"scopegate:7777":                   false,
		"10.0.0.1:7777":                    false,
		"localhost.example.com:7777":       false,
		"dns:///scopegate.example.com":     false,
		"dns://127.0.0.1/scopegate:7777":   false,
		"xds:///localhost":                 false,
		"passthrough:///scopegate:7777":    false,
		"":                                 false,
		strings.Repeat("localhost:", 1000): false,
	} {
		if got := localhost.Has(target); got != want {
			t.Errorf("%.40q: got %t, want %t", target, got, want)
		}
	}
}
