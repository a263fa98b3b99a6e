package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// row returns the fields of a setting's line in the output of --check.
func (r result) row(t *testing.T, name string) []string {
	t.Helper()
	for line := range strings.Lines(r.stdout) {
		if fields := strings.Fields(line); len(fields) > 0 && fields[0] == name {
			return fields[1:]
		}
	}
	t.Fatalf("no setting %s in %+v", name, r)
	return nil
}

func TestConfigFileWithoutSettings(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"", "\n", "# nothing\n", "---\n", "{}\n"} {
		if got := execute(t, "", "serve", "--check", "--config", file(t, content)); got.code != exitOK {
			t.Errorf("%q: %+v, want code %v", content, got, exitOK)
		}
	}
}

func TestConfigFileIsRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ content, want string }{
		"unknown key":        {"# first\nmax-depht: 5", ":2: max-depht: unknown key, did you mean max-depth?"},
		"underscores":        {"Max_Depth: 5", ":1: Max_Depth: unknown key, did you mean max-depth?"},
		"a name's beginning": {"api-key: 5", ":1: api-key: unknown key, did you mean api-key-file?\n"},
		"a variable":         {"SCOPEGATE_LISTEN: 5", ":1: SCOPEGATE_LISTEN: unknown key, did you mean listen?\n"},
		"far from any key":   {"colour: red", ":1: colour: unknown key\n"},
		"nested":             {"limits:\n  max-depth: 5", ":1: limits: unknown key"},
		"same key twice":     {"max-depth: 5\nmax-depth: 6", "line 2: max-depth: given twice\n"},
		"tab":                {"max-depth:\n\t- 5", "line 2: not YAML: a tab; indent with blanks\n"},
		"a list":             {"- max-depth", "not a mapping"},
		"two documents":      {"max-depth: 5\n---\nmax-depth: 6", "line 3: more than one document"},
		"an empty one first": {"---\n---\nmax-depth: 6", "line 2: more than one document"},
		"UTF-16":             {"\xff\xfem\x00", "UTF-16"},
		"a digit in a key":   {"max-depth5: 5", ":1: (not shown: it may be a secret): unknown key, did you mean max-depth?"},
		"hexadecimal":        {"max-depth: 0x10", ":1: max-depth: the value is not a decimal integer\n"},
		"octal":              {"max-depth: 0o10", ":1: max-depth: the value is not a decimal integer\n"},
		"binary":             {"max-depth: 0b11", ":1: max-depth: the value is not a decimal integer\n"},
		"underscore":         {"max-depth: 1_0", ":1: max-depth: the value is not a decimal integer\n"},
		"exponent":           {"max-depth: 1e1", ":1: max-depth: the value is not a decimal integer\n"},
		"infinity":           {"max-depth: .inf", ":1: max-depth: the value is not a decimal integer\n"},
		"yes for a number":   {"max-depth: yes", ":1: max-depth: the value is not a decimal integer\n"},
		"half a byte":        {"max-scope-bytes: 0.5MiB", ":1: max-scope-bytes: not a number of bytes"},
		"underscores, size":  {"max-scope-bytes: 1_048_576", ":1: max-scope-bytes: not a number of bytes"},
		"exponent, size":     {"max-scope-bytes: 1e6", ":1: max-scope-bytes: not a number of bytes"},
		"exponent, duration": {"idle-timeout: 1e3s", ":1: idle-timeout: the value is not a duration such as 30s or 24h\n"},
		"executable":         {"\x7fELF\x02\x01\x01\x00\xff", ": not YAML: invalid UTF-8\n"},
		"no bracket":         {"max-depth: [5", "line 1: not YAML: a [ without ]\n"},
		"no bracket, more":   {"listen: [5\nmax-depth: 5", "line 2: not YAML: a [ without ]\n"},
		"no brace":           {"max-depth: {a: 5", "line 1: not YAML: a { without }\n"},
		"list for string":    {"spool-dir: [5]", ":1: spool-dir: got a list, want a string"},
		"null for string":    {"spool-dir: null", ":1: spool-dir: no value, want a string"},
		"tilde":              {"spool-dir: ~", ":1: spool-dir: no value, want a string"},
		"null in a list":     {"listen: [127.0.0.1:0, null]", ":1: listen: no value, want a list with each item a string"},
		"list in a list":     {"listen: [[127.0.0.1:0]]", ":1: listen: got a list, want a list with each item a string"},
		"tag":                {"max-depth: !!str 5", ":1: max-depth: got an anchor, alias or tag, want a decimal integer"},
		"word for number":    {"max-depth: x", ":1: max-depth: the value is not a decimal integer\n"},
		"fraction":           {"max-depth: 5.5", ":1: max-depth: 5.5 is not a decimal integer\n"},
		"word for switch":    {"reflection: perhaps", ":1: reflection: the value is not true or false\n"},
		"hexadecimal size":   {"max-scope-bytes: 0x10", ":1: max-scope-bytes: not a number of bytes"},
		"other TLS version":  {"tls-min-version: 1.20", ":1: tls-min-version: must be 1.2 or 1.3\n"},
		"list for number":    {"max-depth: [5]", ":1: max-depth: got a list, want a decimal integer"},
		"mapping for a size": {"max-scope-bytes: {a: 1}", ":1: max-scope-bytes: got a mapping, want a size"},
		"no value":           {"max-depth:", ":1: max-depth: no value, want a decimal integer"},
		"not a size":         {"max-scope-bytes: much", ":1: max-scope-bytes: not a number of bytes"},
		"not a duration":     {"idle-timeout: 5", ":1: idle-timeout: 5 is not a duration such as 30s or 24h\n"},
		"none of the enum":   {"log-format: xml", ":1: log-format: the value must be one of text, json\n"},
		"not a level":        {"log-level: loud", ":1: log-level: must be debug, info, warn or error\n"},
		"too large a number": {"max-depth: 99999999999999999999", ":1: max-depth: the value is not a decimal integer"},
		"anchor":             {"max-depth: &a 5", ":1: max-depth: got an anchor, alias or tag, want a decimal integer"},
		"merge key":          {"<<: {max-depth: 5}", ":1: <<: unknown key"},
		"of the file itself": {"config: other.yaml", ":1: config: can't be set in a configuration file"},
		"check":              {"check: true", ":1: check: can't be set in a configuration file"},
		"all that is wrong":  {"colour: red\nmax-depth: x", ":2: max-depth: the value is not a decimal integer"},
		"too long":           {strings.Repeat("#", 1<<20+1), "is longer than 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := execute(t, "", "serve", "--check", "--config", file(t, test.content))
			if got.code != exitUsage || !strings.Contains(got.stderr, test.want) || got.stdout != "" {
				t.Errorf("got %+v\nwant %q", got, test.want)
			}
		})
	}
	missing := filepath.Join(t.TempDir(), "none.yaml")
	if got := execute(t, "", "serve", "--config", missing); got.code != exitUsage || !strings.Contains(got.stderr, missing) {
		t.Errorf("missing file: %+v, want code %v and %q in it", got, exitUsage, missing)
	}
}

// Errors do not repeat a key in a wrong place.
func TestConfigFileErrorsTellNoSecrets(t *testing.T) {
	t.Parallel()
	for _, content := range []string{
		"api-key: canary", "intake:\n  key: canary", "canary", `api-key: "canary`, "api-key: [canary", "a: canary: b",
		"max-depth: canary", "intake-url: [canary]", "intake-url: {key: canary}", "a: *canary", "\tcanary", "a: 'canary", "a: |canary",
		"a: !!canary b", "a: b\n canary", "%canary\n---\na", "a: `canary", "a: @canary", "{a: canary", "a: b\na: canary",
	} {
		got := execute(t, "", "serve", "--check", "--config", file(t, content))
		if got.code != exitUsage || strings.Contains(got.stderr+got.stdout, "canary") {
			t.Errorf("%q: %+v, want code %d and no secret", content, got, exitUsage)
		}
	}
}

// A scalar means the same as on the command line, whatever its type in YAML.
func TestConfigFileIsWrittenAsOnTheCommandLine(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"tls-min-version: 1.2":         "1.2",
		`tls-min-version: "1.2"`:       "1.2",
		"tls-min-version: '1.2'":       "1.2",
		"reflection: yes":              "true",
		"reflection: Yes":              "true",
		"reflection: no":               "false",
		"reflection: 1":                "true",
		"reflection: true":             "true",
		"reflection: False":            "false",
		`reflection: "yes"`:            "true",
		"max-depth: 16":                "16",
		`max-depth: "16"`:              "16",
		"max-depth: 016":               "16",
		"max-depth: '08'":              "8",
		"log-limit: 010":               "10",
		"max-scope-bytes: 010KiB":      "10KiB",
		"\ufeffmax-depth: 5":           "5",
		"%YAML 1.2\n---\nlog-limit: 7": "7",
		"max-depth: 16 # deep":         "16",
		"max-depth:   \n  16":          "16",
		"spool-dir: 5":                 "5",
		"spool-dir: 1.50":              "1.50",
		"spool-dir: 0x1F":              "0x1F",
		"spool-dir: true":              "true",
		"spool-dir: .inf":              ".inf",
		"spool-dir: .NaN":              ".NaN",
		`spool-dir: "null"`:            "null",
		"admin-host: 2024-01-01":       "2024-01-01",
		"spool-dir: >-\n  /a":          "/a",
		"idle-timeout: 0s":             "0s",
		"max-scope-bytes: 1048576":     "1MiB",
		"max-scope-bytes: 1 MiB":       "1MiB",
		"additional-tags: yes":         "yes",
		"listen: 127.0.0.1:0":          "127.0.0.1:0",
		"listen: [127.0.0.1:0, 5]":     "127.0.0.1:0,5",
		"listen:\n- 'a,b'\n- 1.50":     "a,b,1.50",
		"log-level: WARN":              "WARN",
		"log-level: |\n  warn":         "WARN",
		"flush-threshold: 0":           "0",
		"additional-intake: http://x":  "http://x",
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			got := execute(t, "", "serve", "--check", "--config", file(t, line))
			last := line[strings.LastIndex(line, "---\n")+1:]
			name, _, _ := strings.Cut(strings.TrimLeft(last, "-\n\ufeff"), ":")
			if row := got.row(t, name); row[0] != want {
				t.Errorf("got %q, want %q: %s", row, want, got.stderr)
			}
		})
	}
}
