package deploy_test

import (
	"regexp"
	"strings"
	"testing"
)

const exampleFile = "scopegate.example.yaml"

// TestExampleConfiguration: the server would start with the example as it is, and with
// each setting in it that is commented out.
func TestExampleConfiguration(t *testing.T) {
	t.Parallel()
	config := read(t, exampleFile)
	commented := regexp.MustCompile(`(?m)^( *)#(- |[a-z-]+: )`)
	if got, least := len(commented.FindAllString(config, -1)), 5; got < least {
		t.Errorf("got %d settings that are commented out, want at least %d", got, least)
	}
	for name, config := range map[string]string{"as it is": config, "all settings": commented.ReplaceAllString(config, "$1$2")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := check(t, config)
			for _, line := range regexp.MustCompile(`(?m)^([a-z-]+): (.+)$`).FindAllStringSubmatch(config, -1) {
				if got, want := found[line[1]], line[2]; !strings.EqualFold(got, want) {
					t.Errorf("%s: got %q, want %q", line[1], got, want)
				}
			}
		})
	}
}
