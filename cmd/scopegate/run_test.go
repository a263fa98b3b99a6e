package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/scopegate/scopegate/integration/leak"
	"github.com/scopegate/scopegate/server/devintake"
)

func TestMain(m *testing.M) { testscript.Main(tests{m}, map[string]func(){"scopegate": main}) }

// tests runs the tests of this package.
type tests struct{ *testing.M }

func (t tests) Run() int {
	code := leak.Run(t.M)
	if dir, err := buildFolder(); err == nil {
		_ = os.RemoveAll(dir)
	}
	return code
}

// buildFolder is the directory for binaries that tests build. TestMain removes it.
var buildFolder = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "scopegate") })

// smallBinary is a Go binary with DWARF, and a stripped one.
var smallBinary = sync.OnceValues(func() (paths [2]string, err error) {
	dir, err := buildFolder()
	if err != nil {
		return paths, err
	}
	for name, content := range map[string]string{
		"main.go": "package main\n\ntype cart struct{ total int }\n\nfunc main() { println(cart{1}.total) }\n",
		"go.mod":  "module github.com/shop/small\n\ngo 1.26\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			return paths, err
		}
	}
	for i, flags := range []string{"", "-w -s"} {
		paths[i] = filepath.Join(dir, fmt.Sprintf("small%d", i))
		build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", paths[i], ".")
		build.Dir, build.Env = dir, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
		if out, err := build.CombinedOutput(); err != nil {
			return paths, fmt.Errorf("%w: %s", err, out)
		}
	}
	return paths, nil
})

func binaryWithDWARF(t *testing.T) string {
	t.Helper()
	paths, err := smallBinary()
	if err != nil {
		t.Fatal(err)
	}
	return paths[0]
}

// noGoBinary returns a 64-bit executable that is only a header.
func noGoBinary(t *testing.T) string {
	t.Helper()
	var content bytes.Buffer
	header := elf.Header64{
		Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT), Ehsize: 64, Phentsize: 56, Shentsize: 64,
	}
	if err := binary.Write(&content, binary.LittleEndian, header); err != nil {
		t.Fatal(err)
	}
	return file(t, content.String())
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

// TestUploadRefusesFiles: the error for an unsuitable file says what the file is.
func TestUploadRefusesFiles(t *testing.T) {
	t.Parallel()
	withDWARF := binaryWithDWARF(t)
	for name, test := range map[string]struct{ path, want string }{
		"UTF-16":           {file(t, "\xff\xfe{\x00"), "line 1: the text is UTF-16"},
		"a mark alone":     {file(t, "\ufeff\n"), "no scopes found"},
		"compressed":       {file(t, "\x1f\x8b\x08"), "the file is compressed: decompress it first"},
		"archive":          {file(t, "PK\x03\x04"), "an archive (ZIP, JAR)"},
		"Java class":       {file(t, "\xca\xfe\xba\xbe\x00\x00\x00\x41"), "a Java class"},
		"several binaries": {file(t, "\xca\xfe\xba\xbe\x00\x00\x00\x02"), "lipo -thin"},
		"damaged binary":   {file(t, "\x7fELF..."), "read ELF"},
		"another program":  {noGoBinary(t), "not a Go program; scopes of another language are uploaded as NDJSON"},
		"cut binary":       {cutFile(t, withDWARF, 2000), "the file may be truncated"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := execute(t, "", "upload", "--server", "unix:///nowhere/s", "--service", "shop", "--language", "ruby", test.path)
			if got.code != exitInput || !strings.Contains(got.stderr, test.want) {
				t.Errorf("got %+v, want code %d and %q", got, exitInput, test.want)
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
		t.Fatalf("%+v, want code %v", got, exitOK)
	}
	if line := <-printed; !strings.HasPrefix(line, "batch 1 of ") || !strings.HasSuffix(line, ", final") {
		t.Errorf("printed %q, want %q at its beginning and %q at its end", line, "batch 1 of ", ", final")
	}
	_, uploads := get(t, address, "/uploads")
	var listing devintake.Listing
	if err := json.Unmarshal([]byte(uploads), &listing); err != nil || len(listing.Uploads) != 1 {
		t.Errorf("GET /uploads: %+v, %v, want 1", listing, err)
	}
	if serve.stop() != exitOK || intake.stop() != exitOK {
		t.Error("not stopped in order")
	}
	if found, err := filepath.Glob(filepath.Join(dir, "*", "1.json.gz")); err != nil || len(found) != 1 {
		t.Errorf("stored %v, %v, want 1", found, err)
	}
}

// Unreadable batches are reported, with advice, and do not stop the intake.
func TestIntakeSkipsBatches(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	upload := filepath.Join(dir, "0e0a1c5e-6c36-4a52-8f0a-3f8b4f2f1c11")
	if err := os.Mkdir(upload, 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		name := filepath.Join(upload, strconv.Itoa(i+1))
		if err := errors.Join(os.WriteFile(name+".json", []byte("{}"), 0o600), os.WriteFile(name+".event.json", nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for flag, advice := range map[string]string{"": "; start with --lenient if they were recorded with it", "--lenient": ""} {
		args := []string{"intake", "--listen", "127.0.0.1:0", "--dir", dir}
		if flag != "" {
			args = append(args, flag)
		}
		intake := startCommand(t, noVariables, args...)
		_ = intake.address()
		if code := intake.stop(); code != exitOK {
			t.Errorf("%q: code %d, want %d", flag, code, exitOK)
		}
		got := intake.stderr.String()
		if want := fmt.Sprintf("12 batches in %s skipped%s\n", dir, advice); strings.Count(got, "skipped 0e0a") != 10 || !strings.Contains(got, want) {
			t.Errorf("%q: got %s, want ten batches and %q", flag, got, want)
		}
	}
}

// failing is a writer that fails.
type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// Help ends without an error if its reader stops early, as in `scopegate serve --help |
// head`.
func TestHelpToBrokenPipe(t *testing.T) {
	t.Parallel()
	var stderr strings.Builder
	code := run(t.Context(), []string{"serve", "--help"}, strings.NewReader(""), failing{syscall.EPIPE}, &stderr, variables(nil))
	if code != exitOK || stderr.String() != "" {
		t.Errorf("exit code %d, %q; want %d and nothing", code, stderr.String(), exitOK)
	}
}

// Help that can't be written is not wrong usage.
func TestHelpToFullDisk(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--help"}, {"--help-all"}, {"serve", "--help"}, {"help", "serve"}} {
		var stderr strings.Builder
		code := run(t.Context(), args, strings.NewReader(""), failing{syscall.ENOSPC}, &stderr, variables(nil))
		if code != exitFailure || !strings.HasSuffix(stderr.String(), "print the help: no space left on device\n") {
			t.Errorf("%q: exit code %d, %q; want %d and the reason", args, code, stderr.String(), exitFailure)
		}
	}
}
