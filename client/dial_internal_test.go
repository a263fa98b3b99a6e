package client

import (
	"strings"
	"testing"
)

// TestDialRefusesProxy: if the variable for gRPC's proxy is invalid, targets that would
// need the proxy are refused.
func TestDialRefusesProxy(t *testing.T) {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy"} {
		t.Run(name, func(t *testing.T) {
			for _, other := range []string{"HTTPS_PROXY", "https_proxy"} {
				t.Setenv(other, "")
			}
			for value, wrong := range map[string]bool{
				"http://u:p%40%phush@proxy:3128": true, "http://": true, "hush proxy": true,
				"http://u:p%40p@proxy:3128": false, "proxy:3128": false, "": false,
			} {
				t.Setenv(name, value)
				for target, local := range map[string]bool{"server.invalid:1": false, "localhost:1": true, "unix:///socket": true} {
					c, err := Dial(target)
					if (err != nil) != (wrong && !local) {
						t.Errorf("%q, %s: %v, want an error: %v", value, target, err, wrong && !local)
					}
					if err == nil {
						_ = c.Close()
					} else if !strings.Contains(err.Error(), name+" is not the address of a proxy") || strings.Contains(err.Error(), "hush") {
						t.Errorf("%q: %v", value, err)
					}
				}
			}
		})
	}
}
