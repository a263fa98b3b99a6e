package textfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scopegate/scopegate/integration/leak"
	"github.com/scopegate/scopegate/server/textfile"
)

func TestMain(m *testing.M) { leak.Verify(m) }

const limit = 100

// reads are the two ways to read a file.
func reads(t *testing.T) map[string]func(path string) ([]byte, error) {
	t.Helper()
	return map[string]func(path string) ([]byte, error){
		"Read":     func(path string) ([]byte, error) { return textfile.Read(path, limit) },
		"ReadOnce": func(path string) ([]byte, error) { return textfile.ReadOnce(t.Context(), path, limit) },
	}
}

func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRead(t *testing.T) {
	t.Parallel()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(file(t, "linked"), link); err != nil {
		t.Fatal(err)
	}
	for name, read := range reads(t) {
		for path, want := range map[string]string{
			file(t, ""):                                "",
			file(t, "a: b\r\n"):                        "a: b\r\n",
			file(t, textfile.BOM):                      "",
			file(t, textfile.BOM+"é"+textfile.BOM):     "é" + textfile.BOM,
			file(t, strings.Repeat("x", limit)):        strings.Repeat("x", limit),
			link:                                       "linked",
			file(t, "\xff is not UTF-8, nor UTF-16"):   "\xff is not UTF-8, nor UTF-16",
			file(t, "x\ny\x00"):                        "x\ny\x00",
			file(t, textfile.BOM+"x"+"\x00\x00\x00\n"): "x\x00\x00\x00\n",
		} {
			if got, err := read(path); string(got) != want || err != nil {
				t.Errorf("%s: got %q, %v, want %q", name, got, err, want)
			}
		}
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	sparse := file(t, "")
	if err := os.Truncate(sparse, 1<<40); err != nil {
		t.Skip(err) // the file system has no holes
	}
	for name, read := range reads(t) {
		for path, want := range map[string]string{
			t.TempDir():                                 "directory",
			file(t, strings.Repeat("x", limit+1)):       "is longer than 100 bytes",
			sparse:                                      "is longer than 100 bytes",
			file(t, "\xff\xfea\x00:\x00"):               "UTF-16",
			file(t, "\xfe\xff\x00a"):                    "UTF-16",
			file(t, "a\x00:\x00"):                       "UTF-16",
			file(t, "\x00a\x00:"):                       "UTF-16",
			file(t, "\xff\xfe\x00\x00a\x00\x00\x00"):    "UTF-16",
			file(t, "\x00\x00\xfe\xff\x00\x00\x00a"):    "UTF-16",
			filepath.Join(t.TempDir(), "missing", "it"): "no such file",
		} {
			got, err := read(path)
			if err == nil || !strings.Contains(err.Error(), want) || got != nil {
				t.Errorf("%s: got %q, %v, want %q", name, got, err, want)
			}
		}
	}
}

// TestPathsThatMayBeSecrets gives a key in place of its file's path.
func TestPathsThatMayBeSecrets(t *testing.T) {
	t.Parallel()
	const key = "canary5b1e0f6a7d8c9b0a"
	there := file(t, "there")
	for path, shown := range map[string]bool{
		key: false, "./" + key: false, "/" + key: false, key + "/" + key: false, "/nowhere/" + key: false, "a\n" + key: false,
		"-----BEGIN PRIVATE KEY-----\n" + key + "/" + key: false, strings.Repeat(key, 1000): false, key + "\x00": false,
		there + "/" + key:                       false,
		filepath.Join(filepath.Dir(there), key): true, // it leads into a folder
		"short":                                 true, "none.ndjson": true, "/none.yaml": true, "no/where/none.pem": true,
		"./shop1234": true, "build/shop": true, "/nowhere/x/shop-1.2.3_linux-amd64": true, "/nonexist/dir": true,
		"5b1e0c0f/fee0f6a7": false, "c4n+ry/shop": false, "abcdefghijklmnopqrstuvwxyz": false, "SgTcNaRyBkEc": false,
		"." + key: false, key + ".": false, key + ".A1b2C3": false, key + ".abcdefg": false, "a b.pem" + key: false,
		filepath.Join(filepath.Dir(there), "x"):  true,
		filepath.Dir(there) + "/../" + key + "/": false,
	} {
		if got := textfile.Name(path); (got == path) != shown || !shown && strings.Contains(got, key) {
			t.Errorf("%q is shown as %q", path, got)
		}
		for name, read := range reads(t) {
			_, err := read(path)
			if err == nil || strings.Contains(err.Error(), key) != (shown && strings.Contains(path, key)) {
				t.Errorf("%s of %q: %v", name, path, err)
			}
			if missing := errors.Is(err, fs.ErrNotExist); !missing && !strings.ContainsAny(path, "\x00") && len(path) < 1000 && path != there+"/"+key {
				t.Errorf("%s of %q: the cause is lost: %v", name, path, err)
			}
		}
	}
	if got := textfile.Name(there); got != there {
		t.Errorf("a file that is there is shown as %q, want %v", got, there)
	}
}

func FuzzBegin(f *testing.F) {
	for _, seed := range []string{"", "a", textfile.BOM, "\xff\xfea\x00", "\x00a", "\xef\xbb"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		n, err := textfile.Begin(text)
		if n != 0 && (err != nil || string(text[:n]) != textfile.BOM) {
			t.Errorf("%d, %v", n, err)
		}
		if short, shortErr := textfile.Begin(text[:min(3, len(text))]); short != n || (shortErr == nil) != (err == nil) {
			t.Errorf("more than three bytes count: %d, %v", short, shortErr)
		}
	})
}
