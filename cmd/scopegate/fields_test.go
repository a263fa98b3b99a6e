package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
	"github.com/scopegate/scopegate/server"
)

// newParser returns a parser of the command line, and its sources, without variables.
func newParser(tb testing.TB) (*kong.Kong, *settings.Sources) {
	tb.Helper()
	sources := settings.NewSources(noVariables)
	parser, err := kong.New(new(grammar), append(sources.Options(),
		kong.Vars{"version": ""}, kong.BindTo(tb.Context(), (*context.Context)(nil)))...)
	if err != nil {
		tb.Fatal(err)
	}
	return parser, sources
}

// serveModel is kong's model of the command serve, and its variables.
func serveModel(tb testing.TB) (*kong.Node, *settings.Sources) {
	tb.Helper()
	parser, sources := newParser(tb)
	i := slices.IndexFunc(parser.Model.Children, func(n *kong.Node) bool { return n.Name == "serve" })
	return parser.Model.Children[i], sources
}

func serveFlags(tb testing.TB) []*kong.Flag {
	tb.Helper()
	serve, _ := serveModel(tb)
	return serve.Flags
}

// configFields are the paths of all settings in a type, and of those below it.
func configFields(of reflect.Type, path string) []string {
	var fields []string
	for field := range of.Fields() {
		at := strings.TrimPrefix(path+"."+field.Name, ".")
		if field.Type.Kind() == reflect.Struct && field.Type != reflect.TypeFor[server.Secret]() {
			fields = append(fields, configFields(field.Type, at)...)
		} else {
			fields = append(fields, at)
		}
	}
	return fields
}

// TestEveryFieldHasItsFlag: each field of the server's configuration has one flag, which
// has the field's default and sets it.
func TestEveryFieldHasItsFlag(t *testing.T) {
	t.Parallel()
	// These have no flag.
	got := []string{"MaxMetadataBytes", "Access.TenantsInterval", "AdditionalIntakes.DrainTime", "Transport.HandshakeTimeout"}
	// The command derives these from other settings.
	made := []string{"Intake.APIKey", "AdditionalIntakes.Intakes"}
	cfg := server.DefaultConfig()
	for _, flag := range serveFlags(t) {
		path := flag.Tag.Get("field")
		if path == "" {
			continue
		}
		got = append(got, path)
		field, ok := settings.Field(&cfg, flag)
		if ok == slices.Contains(made, path) {
			t.Errorf("--%s sets %s: %v, want the opposite", flag.Name, path, ok)
		}
		if ok && flag.Target.Kind() != field.Kind() && (!flag.Target.CanInt() || !field.CanInt()) {
			t.Errorf("--%s is a %v, and %s a %v, want the same", flag.Name, flag.Target.Type(), path, field.Type())
		}
	}
	slices.Sort(got)
	want := slices.Sorted(slices.Values(configFields(reflect.TypeFor[server.Config](), "")))
	if !slices.Equal(got, want) {
		t.Errorf("flags set %q, want %q", got, want)
	}
}

// TestDefaultsAreTheServers: without flags, serve uses the server's default configuration.
func TestDefaultsAreTheServers(t *testing.T) {
	t.Parallel()
	want := server.DefaultConfig()
	want.Limits.MemoryBytes = 0 // found when the server starts
	got, _ := configured(t)
	if diff := cmp.Diff(want, got, cmp.Transformer("reveal", server.Secret.Reveal)); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
}

// configured returns the server's configuration as a command line sets it, and the
// command's flags.
func configured(t *testing.T, args ...string) (server.Config, []*kong.Flag) {
	t.Helper()
	parser, sources := newParser(t)
	line, err := parser.Parse(append([]string{"serve"}, args...))
	if err != nil {
		t.Fatal(err)
	}
	return config(destination{}, sources.List(line)), line.Flags()
}

// numberFlags are the flags of serve for numbers, sizes or durations, with their units.
func numberFlags(tb testing.TB) map[string]string {
	tb.Helper()
	units := map[string]string{}
	for _, flag := range serveFlags(tb) {
		switch flag.Target.Interface().(type) {
		case time.Duration:
			units[flag.Name] = "ns"
		case int, settings.Size:
			units[flag.Name] = ""
		}
	}
	if len(units) < 25 {
		tb.Fatalf("only %d settings are numbers", len(units))
	}
	return units
}

// TestFieldsTakeTheirSettings: a numeric field gets the number of its flag.
func TestFieldsTakeTheirSettings(t *testing.T) {
	t.Parallel()
	var args []string
	given := map[string]int64{}
	for name, unit := range numberFlags(t) {
		given[name] = int64(1000 + len(given))
		args = append(args, fmt.Sprintf("--%s=%d%s", name, given[name], unit))
	}
	cfg, flags := configured(t, args...)
	for _, flag := range flags {
		field, ok := settings.Field(&cfg, flag)
		if want, isNumber := given[flag.Name]; ok && isNumber && field.Int() != want {
			t.Errorf("%s is %d, want %d as --%s has it", flag.Tag.Get("field"), field.Int(), want, flag.Name)
		}
	}
}

func TestNegativeSettingsAreRefused(t *testing.T) {
	t.Parallel()
	var args []string
	of, content := map[string]string{}, "# first\n"
	var byFlag, byVariable, inFile []string
	path := filepath.Join(t.TempDir(), "settings.yaml")
	for name, unit := range numberFlags(t) {
		value, variable := "-1"+unit, "SCOPEGATE_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		args = append(args, "--"+name+"="+value)
		of[variable] = value
		content += name + ": " + value + "\n"
		byFlag = append(byFlag, "--"+name+": "+value+" is negative\n")
		byVariable = append(byVariable, "--"+name+": "+variable+": "+value+" is negative\n")
		inFile = append(inFile, fmt.Sprintf("%s:%d: %s: %s is negative\n", path, len(inFile)+2, name, value))
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		got  result
		want []string
	}{
		{execute(t, "", append([]string{"serve", "--check"}, args...)...), byFlag},
		{executeWith(t, variables(of), "", "serve"), byVariable},
		{execute(t, "", "serve", "--config", path), inFile},
	} {
		if test.got.code != exitUsage || test.got.stdout != "" {
			t.Errorf("%+v, want code %v and no stdout", test.got, exitUsage)
		}
		for _, want := range test.want {
			if !strings.Contains(test.got.stderr, want) {
				t.Errorf("no %q in %s", want, test.got.stderr)
			}
		}
	}
}

// An error about a range names the source of the value, and the setting as it is called
// there.
func TestErrorsOfRangeTellTheirPlace(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"max-batch-bytes: 1kB":         "1000 is below 64KiB",
		"memory-limit: 1KiB":           "1KiB is below 32MiB",
		"min-rate: 5\nidle-timeout: 0": "5 requires an idle timeout",
		"max-connection-streams: 0":    "0 is not between 1 and 2147483647",
		"intake-connections: 0":        "0 is not between 1 and 10000",
		"post-timeout: 0s":             "0s is not positive",
		"stream-window: 1KiB":          "1KiB is not between 64KiB and 2147483647",
		"tls-cert: /x":                 "/x is set without the file of its private key",
		"additional-intake: foo":       "foo has an invalid URL: number 1 is not http://host",
		"intake-url: foo":              "foo is not http://host/path, https://host/path or unix:///path/to/socket:/path/of/url\n",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			path := file(t, text)
			name, _, _ := strings.Cut(text, ":")
			var args []string
			of := map[string]string{}
			for line := range strings.Lines(text) {
				key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
				if key == "idle-timeout" {
					value = "0s"
				}
				args = append(args, "--"+key+"="+value)
				of["SCOPEGATE_"+strings.ToUpper(strings.ReplaceAll(key, "-", "_"))] = value
			}
			variable := "SCOPEGATE_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
			for place, got := range map[string]result{
				"--" + name:                   execute(t, "", append([]string{"serve"}, args...)...),
				"--" + name + ": " + variable: executeWith(t, variables(of), "", "serve", "--check"),
				path + ":1: " + name:          execute(t, "", "serve", "--config", path),
			} {
				if got.code != exitUsage || !strings.Contains(got.stderr, "scopegate serve: "+place+": "+want) {
					t.Errorf("got %+v\nwant %q", got, place+": "+want)
				}
			}
		})
	}
}

func TestLogLevelInAnyCase(t *testing.T) {
	t.Parallel()
	var level logLevel
	if err := level.UnmarshalText([]byte("Warn")); err != nil || slog.Level(level) != slog.LevelWarn {
		t.Errorf("Warn is %v, %v; want %v", level, err, slog.LevelWarn)
	}
}
