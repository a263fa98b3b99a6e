package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// script returns the completion of an installed shell, and its path as a file.
func script(t *testing.T, shell string) string {
	t.Helper()
	if _, err := exec.LookPath(shell); err != nil {
		t.Skipf("no %s here", shell)
	}
	got := execute(t, "", "completion", shell)
	if got.code != exitOK || got.stderr != "" {
		t.Fatalf("got %+v, want the script", got)
	}
	return file(t, got.stdout)
}

func TestCompletionParses(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish"} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			path := script(t, shell)
			if out, err := exec.CommandContext(t.Context(), shell, "-n", path).CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s -n: got %v, %s, want nothing", shell, err, out)
			}
		})
	}
}

func TestCompletionInBash(t *testing.T) {
	t.Parallel()
	path := script(t, "bash")
	for words, want := range map[string][]string{
		"ser":                         {"serve"},
		"st":                          {"status"},
		"--vers":                      {"--version"},
		"serve --intake-u":            {"--intake-url"},
		"serve --log-format ":         {"text", "json"},
		"serve --log-format = j":      {"json"},
		"serve --log-format =":        {"text", "json"},
		"serve --log-format json --c": {"--config", "--check", "--compression", "--chunk-bytes", "--connection-window"},
		"serve --config ser":          nil, // files are readline's
		"upload --compression z":      {"zstd"},
		"upload --help":               {"--help", "--help-all"},
		"upload ser":                  nil,
		"upload serve --qu":           {"--quiet"},
		"help st":                     {"status"},
		"completion ":                 {"bash", "zsh", "fish"},
		"nothing --x":                 nil,
	} {
		list := strings.Split("scopegate "+words, " ")
		args := append([]string{
			"-c", `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _scopegate; echo "${COMPREPLY[@]}"`, "bash", path,
		}, list...)
		out, err := exec.CommandContext(t.Context(), "bash", args...).CombinedOutput()
		if got := strings.Fields(string(out)); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: got %q, %v, want %q", words, got, err, want)
		}
	}
}
