package deploy_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := command(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// command is the path of scopegate, built from the sources beside this module.
var command = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "scopegate-deploy")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "scopegate")
	build := exec.Command("go", "-C", "..", "build", "-o", path, "./cmd/scopegate")
	if out, err := build.CombinedOutput(); err != nil {
		return path, fmt.Errorf("build scopegate: %w: %s", err, out)
	}
	return path, nil
})

// scopegate runs the command without any variable but those given, and returns its
// stdout.
func scopegate(t *testing.T, variables []string, args ...string) string {
	t.Helper()
	path, err := command()
	if err != nil {
		t.Fatal(err)
	}
	process := exec.CommandContext(t.Context(), path, args...)
	process.Env = append([]string{"PATH=" + os.Getenv("PATH")}, variables...)
	var stdout, stderr bytes.Buffer
	process.Stdout, process.Stderr = &stdout, &stderr
	if err := process.Run(); err != nil {
		t.Fatalf("scopegate %q: %v\n%s", args, err, stderr.String())
	}
	return stdout.String()
}

// settings are what `scopegate serve --check` prints for a configuration file.
type settings map[string]string

// check runs `scopegate serve --check` with a configuration file whose folders
// stand in for those of the host or container.
func check(t *testing.T, config string, variables ...string) settings {
	t.Helper()
	root := t.TempDir()
	for _, dir := range []string{
		"/etc/scopegate/tls", "/etc/scopegate/secrets", "/etc/scopegate/tenants", "/var/spool/scopegate", "/var/cache/scopegate", "/run/scopegate",
	} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	writeCertificate(t, filepath.Join(root, "/etc/scopegate/tls"))
	write(t, filepath.Join(root, "/etc/scopegate/secrets/api-key"), []byte("key\n"))
	tenants := []byte("tenants:\n  - {name: shop, certificates: [shop]}\n")
	write(t, filepath.Join(root, "/etc/scopegate/tenants.yaml"), tenants)
	write(t, filepath.Join(root, "/etc/scopegate/tenants/tenants.yaml"), tenants)
	moved := strings.NewReplacer("/etc/scopegate/", root+"/etc/scopegate/", "/var/", root+"/var/", "/run/", root+"/run/")
	path := filepath.Join(root, "scopegate.yaml")
	write(t, path, []byte(moved.Replace(config)))
	for i, v := range variables {
		variables[i] = moved.Replace(v)
	}
	out := scopegate(t, variables, "serve", "--check", "--config", path)
	found := settings{}
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); len(fields) == 3 {
			found[fields[0]] = strings.TrimPrefix(fields[1], root)
		}
	}
	return found
}

func (s settings) duration(t *testing.T, name string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s[name])
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return d
}

// bytes reads a size as scopegate prints it.
func (s settings) bytes(t *testing.T, name string) int64 {
	t.Helper()
	var n int64
	var unit string
	if _, err := fmt.Sscanf(s[name], "%d%s", &n, &unit); err != nil {
		t.Fatalf("%s: %q: %v", name, s[name], err)
	}
	factor := map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}[unit]
	if factor == 0 {
		t.Fatalf("%s: %q has an unknown unit", name, s[name])
	}
	return n * factor
}

func writeCertificate(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"scopegate"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		BasicConstraintsValid: true, IsCA: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	write(t, filepath.Join(dir, "tls.crt"), certPEM)
	write(t, filepath.Join(dir, "ca.crt"), certPEM)
	write(t, filepath.Join(dir, "tls.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// checkFlags fails where args have flags that `scopegate serve` does not know.
func checkFlags(t *testing.T, args []string) {
	t.Helper()
	help := scopegate(t, nil, "serve", "--help-all")
	for _, arg := range args {
		name, _, _ := strings.Cut(arg, "=")
		if strings.HasPrefix(name, "--") && !strings.Contains(help, name+"=") && !strings.Contains(help, name+" ") {
			t.Errorf("scopegate serve has no %s", name)
		}
	}
}
