package main

import (
	"slices"
	"strings"
	"testing"
)

// keys are secrets in common forms: hexadecimal, base64, with a prefix, and with characters
// that break a line.
var keys = []string{
	"5b1e0c0ffee0f6a7d8c9b0a112233445", "c4n+ry/5b1eQ0FfEe/7d8c9b0a==", "sgt_C4NARY5B1EC0FFEE7D8C9B0A11", "/c4nary5b1ec0ffee7d8c9b0a",
	"c4nary5b1e\nc0ffee7d8c9b0a",
}

// requireNoKey fails the test if a command has printed the key, or much of it.
func requireNoKey(t *testing.T, got result, key string, said ...string) {
	t.Helper()
	for _, part := range []string{key, key[:10], key[len(key)-10:]} {
		if strings.Contains(got.stdout+got.stderr, part) {
			t.Errorf("%q: the key is repeated:\n%s%s", said, got.stdout, got.stderr)
		}
	}
	if got.code == exitOK {
		t.Errorf("%q: it succeeded:\n%s", said, got.stdout)
	}
}

// TestKeysInPlaceOfSettings gives each setting of serve a key: by its flag, its variable
// and the file.
func TestKeysInPlaceOfSettings(t *testing.T) {
	t.Parallel()
	serve, sources := serveModel(t)
	anyText := []string{"help", "version", "check", "additional-tags", "admin-host", "intake-origin", "hostname"}
	for i, flag := range serve.Flags {
		if slices.Contains(anyText, flag.Name) {
			continue
		}
		t.Run(flag.Name, func(t *testing.T) {
			t.Parallel()
			key := func(way int) string { return keys[(i+way)%len(keys)] }
			byFlag := "--" + flag.Name + "=" + key(0)
			requireNoKey(t, execute(t, "", "serve", "--check", byFlag), key(0), byFlag)
			for _, name := range sources.Variables(flag) {
				got := executeWith(t, variables(map[string]string{name: key(1)}), "", "serve", "--check")
				requireNoKey(t, got, key(1), name)
			}
			if flag.Name != "config" {
				path := file(t, flag.Name+": "+strings.ReplaceAll(key(2), "\n", "\n  ")+"\n")
				requireNoKey(t, execute(t, "", "serve", "--config", path), key(2), flag.Name)
			}
		})
	}
}

// TestKeysInOtherPlaces gives keys in other places where people put them by mistake.
func TestKeysInOtherPlaces(t *testing.T) {
	t.Parallel()
	for i, places := range [][]string{
		{"KEY"},
		{"serve", "KEY"},
		{"serve", "--check", "--api-key", "KEY"},
		{"serve", "--check", "--api-key=KEY"},
		{"serve", "--check", "--api-key-file=", "KEY"},
		{"serve", "--check", "--KEY"},
		{"serve", "--check", "--tls-key", "-----BEGIN PRIVATE KEY-----\nKEY"},
		{"serve", "--check", "--additional-intake", "https://host/x  KEY "},
		{"serve", "--check", "--additional-intake", "KEY https://host/x"},
		{"serve", "--check", "--additional-intake", "https://host/x,https://host/y KEY"},
		{"serve", "--check", "--intake-url", "https://host/x KEY"},
		{"serve", "--check", "--intake-url", "https://KEY@h st/"},
		{"serve", "--check", "--api-key-file", "none/KEY"},
		{"serve", "--check", "--tenants-file", "FILE: tenants: [{name: a, tokens: [\"KEY\"]}]"},
		{"serve", "--check", "--tenants-file", "FILE: tenants: [{name: a, certificates: [b], intake: {url: \"KEY\"}}]"},
		{"serve", "--check", "--tenants-file", "FILE: tenants: [{name: a, certificates: [b], intake: {url: \"x:KEY\"}}]"},
		{"serve", "--check", "--tenants-file", "FILE: tenants: [{name: a, certificates: [b], intake: {url: \"https://h/\", api_key_file: \"KEY\"}}]"},
		{"serve", "--check", "--tenants-file", "FILE: KEY"},
		{"serve", "--check", "--config", "FILE: KEY"},
		{"serve", "--check", "--config", "FILE: \"KEY\": x"},
		{"serve", "--check", "--api-key-file", "FILE: KEY, KEY"},
		{"upload", "--token-file", "KEY", "-"},
		{"upload", "--token-file", "FILE: KEY\n\nX", "-"},
		{"upload", "--ca", "KEY", "-"},
		{"upload", "--cert", "KEY", "--key", "KEY", "-"},
		{"upload", "--max-attempts", "KEY", "-"},
		{"upload", "--timeout", "KEY", "-"},
		{"upload", "--compression", "KEY", "-"},
		{"upload", "--max-line-bytes", "KEY", "-"},
		{"upload", "KEY"},
		{"upload", "-", "KEY"},
		{"demo", "KEY"},
		{"demo", "--flush-threshold", "KEY"},
		{"intake", "--listen", "KEY"},
		{"token", "--expires-in", "KEY"},
		{"version", "KEY"},
		{"status", "--admin", "KEY"},
		{"health", "--server", "KEY"},
		{"health", "--server", "127.0.0.1:1", "--ca", "KEY"},
		{"completion", "KEY"},
		{"help", "KEY"},
	} {
		t.Run(strings.Join(places, " "), func(t *testing.T) {
			t.Parallel()
			for _, key := range []string{keys[i%len(keys)], keys[(i+1)%len(keys)]} {
				args := slices.Clone(places)
				for j, arg := range args {
					content, isFile := strings.CutPrefix(arg, "FILE: ")
					if isFile {
						args[j] = file(t, strings.ReplaceAll(content, "KEY", strings.ReplaceAll(key, "\n", "\\n")))
					} else {
						args[j] = strings.ReplaceAll(arg, "KEY", key)
					}
				}
				if args[0] == "upload" {
					args = append(args, "--service", "shop", "--language", "ruby", "--server", "unix:///nowhere/s", "-q")
				}
				requireNoKey(t, execute(t, line, args...), key, args...)
			}
		})
	}
}

// TestKeysInVariables puts keys into variables of other programs, and invalid values into
// variables for keys.
func TestKeysInVariables(t *testing.T) {
	t.Parallel()
	several := keys[0] + " " + keys[1]
	upload := []string{"upload", "--service", "shop", "--language", "ruby", "--server", "unix:///nowhere/s", "-q", "-"}
	check := []string{"serve", "--check"}
	for _, test := range []struct {
		name, value string
		args        []string
		want        string
	}{
		{"DD_TRACE_AGENT_URL", keys[0], check, "DD_TRACE_AGENT_URL: not http://host:port"},
		{"DD_TRACE_AGENT_PORT", keys[1], check, "DD_TRACE_AGENT_PORT: not a port number"},
		{"DD_AGENT_HOST", keys[1], check, "DD_AGENT_HOST: neither a host name"},
		{"DD_SITE", keys[0], check, "DD_SITE: not a host name"},
		{"DD_SITE", keys[1], check, "DD_SITE: not a host name"},
		{"SCOPEGATE_API_KEY", several, check, "SCOPEGATE_API_KEY: contains more than one word"},
		{"SCOPEGATE_API_KEY", keys[0] + "\u00fc", check, "SCOPEGATE_API_KEY: contains a character that is not printable ASCII"},
		{"SCOPEGATE_API_KEY", " \n", check, "SCOPEGATE_API_KEY: empty"},
		{"DD_API_KEY", several, check, "DD_API_KEY: contains more than one word"},
		{"SCOPEGATE_UPLOAD_TOKEN", several, upload, "SCOPEGATE_UPLOAD_TOKEN: contains more than one word"},
	} {
		of := map[string]string{test.name: test.value}
		if test.name == "DD_SITE" {
			of["DD_API_KEY"] = "x"
		}
		got := executeWith(t, variables(of), line, test.args...)
		if requireNoKey(t, got, test.value+several, test.name); !strings.Contains(got.stderr, test.want) {
			t.Errorf("%s: no %q in %s", test.name, test.want, got.stderr)
		}
		requireNoKey(t, got, keys[0], test.name)
		requireNoKey(t, got, keys[1], test.name)
	}
	// Unused variables may have any value.
	if got := executeWith(t, variables(map[string]string{"SCOPEGATE_API_KEY": "\ufeffkey\r\n", "DD_API_KEY": several}), "", check...); got.code != exitOK {
		t.Errorf("%+v, want code %v", got, exitOK)
	}
}
