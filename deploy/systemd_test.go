package deploy_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/unit"
	"k8s.io/apimachinery/pkg/api/resource"
)

const unitPath = "systemd/scopegate.service"

// readUnit returns the values of the unit's options; the last one of each counts.
func readUnit(t *testing.T) map[string]string {
	t.Helper()
	return readOptions(t, unitPath)
}

func readOptions(t *testing.T, path string) map[string]string {
	t.Helper()
	options, err := unit.DeserializeOptions(strings.NewReader(read(t, path)))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, option := range options {
		found[option.Name] = option.Value
	}
	return found
}

func systemdAnalyze(t *testing.T, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// TestUnitIsValid has systemd read the unit, with scopegate where it is in a test.
func TestUnitIsValid(t *testing.T) {
	t.Parallel()
	binary, err := command()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "scopegate.service")
	write(t, path, []byte(strings.ReplaceAll(read(t, unitPath), "/usr/bin/scopegate", binary)))
	if out := systemdAnalyze(t, "verify", "--man=no", path); out != "" {
		t.Errorf("systemd-analyze verify says %s, want none", out)
	}
}

// TestUnitIsConfined: 0 is a service that can do nothing, 10 one that can do all.
func TestUnitIsConfined(t *testing.T) {
	t.Parallel()
	out := systemdAnalyze(t, "security", "--no-pager", "--offline=true", "--threshold=12", unitPath)
	for line := range strings.Lines(out) {
		if strings.Contains(line, "Overall exposure level") {
			t.Log(strings.TrimSpace(line))
		}
	}
}

// TestUnitRestartsForever: by default, systemd gives up after five restarts in ten seconds.
func TestUnitRestartsForever(t *testing.T) {
	t.Parallel()
	if options := readUnit(t); options["Restart"] != "on-failure" || options["StartLimitIntervalSec"] != "0" {
		t.Errorf("Restart is %q and StartLimitIntervalSec %q, want on-failure and 0", options["Restart"], options["StartLimitIntervalSec"])
	}
}

func TestUnitAgreesWithItsConfiguration(t *testing.T) {
	t.Parallel()
	options := readUnit(t)
	found := check(t, read(t, "systemd/scopegate.yaml"))
	outer, err := resource.ParseQuantity(options["MemoryMax"] + "i") // systemd's G is 2^30
	if err != nil {
		t.Fatal(err)
	}
	checkMemory(t, found.bytes(t, "memory-limit"), outer.Value())
	stop, err := time.ParseDuration(options["TimeoutStopSec"])
	if grace := found.duration(t, "shutdown-grace"); err != nil || stop < grace+5*time.Second {
		t.Errorf("the service is killed after %v, and needs %v: %v", stop, grace, err)
	}
	if got := filepath.Join("/var/cache", options["CacheDirectory"]); found["spool-dir"] != got {
		t.Errorf("the spool is %s, the service may write to %s, want %v", found["spool-dir"], got, got)
	}
	fields := strings.Fields(options["ExecStart"])
	if fields[0] != "/usr/bin/scopegate" || fields[1] != "serve" {
		t.Errorf("ExecStart is %q, want %q and %q", fields, "/usr/bin/scopegate", "serve")
	}
	checkFlags(t, fields)
}

func TestUnitIsGivenTheAPIKey(t *testing.T) {
	t.Parallel()
	options := readOptions(t, "systemd/api-key.conf")
	variable, ok := strings.CutPrefix(options["Environment"], "SCOPEGATE_API_KEY_FILE=%d/")
	name, source, _ := strings.Cut(options["LoadCredential"], ":")
	if !ok || variable != name {
		t.Errorf("the credential is %q, the variable %q, want the variable to name the credential", options["LoadCredential"], options["Environment"])
	}
	found := check(t, read(t, "systemd/scopegate.yaml"), "SCOPEGATE_API_KEY_FILE="+source)
	if found["api-key-file"] != source {
		t.Errorf("the key is read from %q, want %q", found["api-key-file"], source)
	}
}
