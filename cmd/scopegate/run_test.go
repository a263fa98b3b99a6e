package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/scopegate/scopegate/integration/leak"
	"github.com/scopegate/scopegate/server/devintake"
)

func TestMain(m *testing.M) {
	code := leak.Run(m)
	if dir, err := buildFolder(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// buildFolder takes what tests build. TestMain removes it.
var buildFolder = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "scopegate") })

// smallBinary is a Go binary with DWARF, and one that is stripped of it.
var smallBinary = sync.OnceValues(func() (paths [2]string, err error) {
	dir, err := buildFolder()
	if err != nil {
		return paths, err
	}
	source := "package main\n\ntype cart struct{ total int }\n\nfunc main() { println(cart{1}.total) }\n"
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(source), 0o600); err != nil {
		return paths, err
	}
	for i, flags := range []string{"", "-w -s"} {
		paths[i] = filepath.Join(dir, fmt.Sprintf("small%d", i))
		build := exec.Command("go", "build", "-trimpath", "-ldflags", flags, "-o", paths[i], filepath.Join(dir, "main.go"))
		if out, err := build.CombinedOutput(); err != nil {
			return paths, fmt.Errorf("%w: %s", err, out)
		}
	}
	return paths, nil
})

func binaries(t *testing.T) (withDWARF, stripped string) {
	t.Helper()
	paths, err := smallBinary()
	if err != nil {
		t.Fatal(err)
	}
	return paths[0], paths[1]
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--help"}, {"serve", "--help"}, {"upload", "--help"}, {"intake", "--help"}, {"demo", "-h"}} {
		got := execute(t, "", args...)
		if got.code != exitOK || !strings.HasPrefix(got.stdout, "Usage: scopegate") || got.stderr != "" {
			t.Errorf("%v: %+v", args, got)
		}
	}
	got := execute(t, "", "serve", "--help")
	for _, want := range []string{"[default: 2MiB]", "SCOPEGATE_LISTEN", "DD_TRACE_AGENT_URL", "--api-key-file"} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("the help of serve lacks %q", want)
		}
	}
}

// cutFile copies the beginning of a file.
func cutFile(t *testing.T, path string, length int) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return file(t, string(content[:length]))
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	withDWARF, stripped := binaries(t)
	dir := t.TempDir()
	nobody := "unix://" + socketPath(t)
	ndjson := []string{"--server", nobody, "--service", "shop", "--language", "ruby"}
	with := func(first string, rest []string, more ...string) []string {
		return append(append([]string{first}, rest...), more...)
	}
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no command":       {nil, exitUsage, "expected one of"},
		"unknown command":  {[]string{"sever"}, exitUsage, "unexpected argument"},
		"unknown flag":     {[]string{"serve", "--colour"}, exitUsage, "unknown flag --colour"},
		"not a size":       {[]string{"serve", "--flush-threshold", "much"}, exitUsage, "not a number of bytes"},
		"bad level":        {[]string{"serve", "--compression-level", "12", "--intake-url", "http://x/"}, exitUsage, "--compression-level: 12 is not between 1 and 9"},
		"bad URL":          {[]string{"serve", "--intake-url", "unix:///run/x"}, exitUsage, "--intake-url: unix:///run/x is not"},
		"bad address":      {[]string{"serve", "--listen", "nowhere", "--intake-url", "http://x/"}, exitUsage, "neither host:port"},
		"no key file":      {[]string{"serve", "--api-key-file", filepath.Join(dir, "none")}, exitUsage, "no such file"},
		"empty key file":   {[]string{"serve", "--api-key-file", file(t, " \n")}, exitUsage, "no key in it"},
		"long key file":    {[]string{"serve", "--api-key-file", file(t, strings.Repeat("k", 4<<10+1))}, exitUsage, "is longer than 4096 bytes"},
		"no path":          {[]string{"upload"}, exitUsage, `expected "<path>"`},
		"contradiction":    {[]string{"upload", "x", "--all-packages", "--main-module"}, exitUsage, "can't be used together"},
		"no file":          {with("upload", ndjson, filepath.Join(dir, "none")), exitInput, "no such file"},
		"a folder":         {with("upload", ndjson, dir), exitInput, "is a directory"},
		"empty file":       {with("upload", ndjson, file(t, "\n \n")), exitInput, "no scope in it"},
		"UTF-16":           {with("upload", ndjson, file(t, "\xff\xfe{\x00")), exitInput, "the text is UTF-16"},
		"a mark alone":     {with("upload", ndjson, file(t, "\ufeff\n")), exitInput, "no scope in it"},
		"compressed":       {with("upload", ndjson, file(t, "\x1f\x8b\x08")), exitInput, "it is compressed: decompress it first"},
		"archive":          {with("upload", ndjson, file(t, "PK\x03\x04")), exitInput, "an archive (ZIP, JAR)"},
		"Java class":       {with("upload", ndjson, file(t, "\xca\xfe\xba\xbe\x00\x00\x00\x41")), exitInput, "a Java class"},
		"several binaries": {with("upload", ndjson, file(t, "\xca\xfe\xba\xbe\x00\x00\x00\x02")), exitInput, "lipo -thin"},
		"cut binary":       {with("upload", ndjson, cutFile(t, withDWARF, 2000)), exitInput, "the file may have been cut off"},
		"intake in a file": {[]string{"intake", "--listen", "127.0.0.1:0", "--dir", file(t, "")}, exitInput, "--dir: "},
		"no such address":  {[]string{"intake", "--listen", "192.0.2.1:0"}, exitFailure, "requested address: it is not an address of this host"},
		"other file":       {with("upload", ndjson, file(t, "hello")), exitInput, "neither an executable"},
		"damaged binary":   {with("upload", ndjson, file(t, "\x7fELF...")), exitInput, "read ELF"},
		"stripped binary":  {with("upload", ndjson, stripped), exitInput, "no DWARF"},
		"malformed NDJSON": {with("upload", ndjson, file(t, line+"{}\n")), exitInput, "line 2: the key scope_type"},
		"no service":       {[]string{"upload", "--language", "ruby", file(t, line)}, exitUsage, "--service is missing"},
		"no language":      {[]string{"upload", "--service", "shop", file(t, line)}, exitUsage, "--language is missing"},
		"no server":        {with("upload", ndjson, "--max-attempts", "1", withDWARF), exitDelivery, "may succeed later"},
		"stripped demo":    {[]string{"demo", stripped}, exitInput, "no DWARF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "malformed NDJSON" {
				test.args = append(test.args, "--server", newStack(t).server)
			}
			got := execute(t, "", test.args...)
			if got.code != test.code || !strings.Contains(got.stderr, test.want) {
				t.Errorf("got %+v\nwant code %d, %q", got, test.code, test.want)
			}
		})
	}
}

func TestIntake(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	intake := startCommand(t, noVariables, "intake", "--listen", "127.0.0.1:0", "--dir", dir)
	address := intake.address()
	serve := startCommand(t, noVariables, "serve", "--listen", "127.0.0.1:0", "--intake-url", agentIntake(address))
	printed := make(chan string, 1)
	go func() { printed <- intake.line() }()
	got := execute(t, line, "upload", "--server", serve.address(), "--service", "shop", "--language", "ruby", "-")
	if got.code != exitOK {
		t.Fatalf("%+v", got)
	}
	if line := <-printed; !strings.HasPrefix(line, "batch 1 of ") || !strings.HasSuffix(line, ", final") {
		t.Errorf("printed %q", line)
	}
	_, uploads := get(t, address, "/uploads")
	var listing devintake.Listing
	if err := json.Unmarshal([]byte(uploads), &listing); err != nil || len(listing.Uploads) != 1 {
		t.Errorf("GET /uploads: %+v, %v", listing, err)
	}
	if serve.stop() != exitOK || intake.stop() != exitOK {
		t.Error("not stopped in order")
	}
	if found, err := filepath.Glob(filepath.Join(dir, "*", "1.json.gz")); err != nil || len(found) != 1 {
		t.Errorf("stored %v, %v", found, err)
	}
}

func TestDemo(t *testing.T) {
	t.Parallel()
	withDWARF, _ := binaries(t)
	got := execute(t, "", "demo", "--main-module", "--flush-threshold", "0", withDWARF)
	if got.code != exitOK || !strings.Contains(got.stdout, "ok: each scope arrived") || got.stderr != "" {
		t.Errorf("%+v", got)
	}
}

func TestServeFailsOnAddressInUse(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	got := execute(t, "", "serve", "--listen", s.server, "--intake-url", "http://127.0.0.1:1/")
	if got.code != exitFailure || !strings.Contains(got.stderr, "in use: stop the program that listens there") {
		t.Errorf("%+v", got)
	}
}
