package deploy_test

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// releases is what the tests read of .goreleaser.yaml. `make snapshot` has goreleaser
// itself read it, strictly.
type releases struct {
	Before struct {
		Hooks []string `json:"hooks"`
	} `json:"before"`
	Builds []struct {
		Main    string   `json:"main"`
		Env     []string `json:"env"`
		Flags   []string `json:"flags"`
		Ldflags []string `json:"ldflags"`
		Targets []string `json:"targets"`
	} `json:"builds"`
	Archives []struct {
		Files []struct {
			Src string `json:"src"`
		} `json:"files"`
	} `json:"archives"`
	NFPMs []struct {
		Contents []struct {
			Src  string `json:"src"`
			Dst  string `json:"dst"`
			Type string `json:"type"`
		} `json:"contents"`
		Scripts map[string]string `json:"scripts"`
		Bindir  string            `json:"bindir"`
	} `json:"nfpms"`
	SBOMs []struct {
		Cmd  string   `json:"cmd"`
		Args []string `json:"args"`
	} `json:"sboms"`
}

func readReleases(t *testing.T) releases {
	t.Helper()
	var r releases
	if err := yaml.Unmarshal([]byte(read(t, "../.goreleaser.yaml")), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Builds) != 1 || len(r.Archives) != 1 || len(r.NFPMs) != 1 || len(r.SBOMs) != 1 {
		t.Fatalf("got %+v, want a build, an archive, a kind of packages and a list of modules", r)
	}
	return r
}

// makePrints returns what `make -n` prints for the arguments.
func makePrints(t *testing.T, args ...string) (string, error) {
	t.Helper()
	process := exec.CommandContext(t.Context(), "make", append([]string{"-C", "..", "-n", "--no-print-directory"}, args...)...)
	process.Env = slices.DeleteFunc(os.Environ(), func(variable string) bool { return strings.HasPrefix(variable, "MAKE") })
	out, err := process.CombinedOutput()
	return string(out), err
}

// TestReleasesAreBuiltByTheSameCommand: anyone can make the binaries of a release with
// `make build`, byte for byte.
func TestReleasesAreBuiltByTheSameCommand(t *testing.T) {
	t.Parallel()
	build := readReleases(t).Builds[0]
	templates := strings.NewReplacer("v{{ .Version }}", "v1.2.3", "{{ .FullCommit }}", "abc")
	var env []string
	for _, exported := range regexp.MustCompile(`(?m)^export (\w+) := (.*)$`).FindAllStringSubmatch(read(t, "../Makefile"), -1) {
		env = append(env, exported[1]+"="+exported[2])
	}
	if !slices.Equal(build.Env, env) || len(build.Flags) > 0 {
		t.Errorf("releases are built with %q and the flags %q, want the Makefile's %q and no flags", build.Env, build.Flags, env)
	}
	want := fmt.Sprintf("go build -ldflags '%s' -o bin/scopegate %s", templates.Replace(strings.Join(build.Ldflags, " ")), build.Main)
	if compile := regexp.MustCompile(`(?m)^COMPILE := (.*)$`).FindStringSubmatch(read(t, "../Makefile")); compile != nil {
		want = compile[1] + " " + want // variables for compilers, which change no byte
	}
	got, err := makePrints(t, "build", "VERSION=v1.2.3", "COMMIT=abc")
	if got = strings.Join(strings.Fields(strings.ReplaceAll(got, "\\\n", "")), " "); err != nil || got != want {
		t.Errorf("make build runs %q, %v, want %q", got, err, want)
	}
}

// TestReleasesAreForThePlatformsOfCI: CI compiles each of PLATFORMS, and tests on
// linux/amd64. Releases are for all of these, and for no other system or processor.
func TestReleasesAreForThePlatformsOfCI(t *testing.T) {
	t.Parallel()
	list := regexp.MustCompile(`(?m)^PLATFORMS := (.*)$`).FindStringSubmatch(read(t, "../Makefile"))
	if list == nil {
		t.Fatal("the Makefile has no PLATFORMS")
	}
	compiled := append(strings.Fields(strings.ReplaceAll(list[1], "-", "_")), "linux_amd64")
	targets := readReleases(t).Builds[0].Targets
	var systems, processors []string
	for _, platform := range compiled {
		if !slices.Contains(targets, platform) {
			t.Errorf("releases are for %q, want %s too", targets, platform)
		}
		system, processor, _ := strings.Cut(platform, "_")
		systems, processors = append(systems, system), append(processors, processor)
	}
	for _, target := range targets {
		system, processor, _ := strings.Cut(target, "_")
		if !slices.Contains(systems, system) || !slices.Contains(processors, processor) {
			t.Errorf("releases are for %s, but CI compiles for %q", target, compiled)
		}
	}
}

// TestReleasesHaveTheirFiles: each file that is named exists, or is made by the hook.
func TestReleasesHaveTheirFiles(t *testing.T) {
	t.Parallel()
	r := readReleases(t)
	if want := []string{"make completions"}; !slices.Equal(r.Before.Hooks, want) {
		t.Fatalf("the hooks are %q, want %q", r.Before.Hooks, want)
	}
	made, err := makePrints(t, "completions")
	if err != nil {
		t.Fatalf("make completions: %v: %s", err, made)
	}
	var named []string
	for _, file := range r.Archives[0].Files {
		named = append(named, file.Src)
	}
	for _, content := range r.NFPMs[0].Contents {
		named = append(named, content.Src)
	}
	for _, script := range r.NFPMs[0].Scripts {
		named = append(named, script)
		text := read(t, filepath.Join("..", script))
		if out, err := exec.CommandContext(t.Context(), "sh", "-n", filepath.Join("..", script)).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", script, err, out)
		}
		if !strings.HasPrefix(text, "#!/bin/sh\n") {
			t.Errorf("%s is no shell script", script)
		}
	}
	for _, name := range named {
		if strings.HasPrefix(name, "bin/") {
			if !strings.Contains(made, name) {
				t.Errorf("make completions does not make %s", name)
			}
			continue
		}
		if _, err := os.Stat(filepath.Join("..", name)); err != nil {
			t.Error(err)
		}
	}
	if sbom := r.SBOMs[0]; sbom.Cmd != "make" || !slices.Contains(sbom.Args, "sbom") {
		t.Errorf("the list of modules is made by %s %q, want make sbom", sbom.Cmd, sbom.Args)
	}
}

// TestPackagesHaveWhatTheUnitNeeds: the unit finds the binary and the configuration
// where a package puts them, and needs no user that a script would have to create.
func TestPackagesHaveWhatTheUnitNeeds(t *testing.T) {
	t.Parallel()
	packages := readReleases(t).NFPMs[0]
	kinds := map[string]string{}
	for _, content := range packages.Contents {
		kinds[content.Dst] = content.Type
	}
	options := readUnit(t)
	command := strings.Fields(options["ExecStart"])
	config := command[slices.Index(command, "--config")+1]
	if kind, ok := kinds[config]; !ok || kind != "config|noreplace" {
		t.Errorf("packages have %s as %q, want it kept at an upgrade", config, kind)
	}
	if _, ok := kinds["/usr/lib/systemd/system/"+path.Base(unitPath)]; !ok {
		t.Error("packages lack the unit")
	}
	if packages.Bindir != "" || path.Dir(command[0]) != "/usr/bin" { // goreleaser's default
		t.Errorf("the unit starts %s, want it in the packages' folder", command[0])
	}
	if options["DynamicUser"] != "yes" || options["User"] != "" {
		t.Errorf("the unit runs as the user %q, want one that systemd makes", options["User"])
	}
}

// latestVersion returns the latest version in CHANGELOG.md.
func latestVersion(t *testing.T) string {
	t.Helper()
	heading := regexp.MustCompile(`(?m)^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$`).FindStringSubmatch(read(t, "../CHANGELOG.md"))
	if heading == nil {
		t.Fatal("CHANGELOG.md has no version")
	}
	return heading[1]
}

// TestChangelogIsReadByTheRelease: the notes of a release are its part of CHANGELOG.md,
// and a version without one is not released.
func TestChangelogIsReadByTheRelease(t *testing.T) {
	t.Parallel()
	changelog, latest := read(t, "../CHANGELOG.md"), latestVersion(t)
	if !strings.Contains(changelog, "\n## [Unreleased]\n") {
		t.Error("CHANGELOG.md has no place for what is not released")
	}
	for _, name := range []string{"Unreleased", latest} {
		if !strings.Contains(changelog, "\n["+name+"]: https://github.com/scopegate/scopegate/") {
			t.Errorf("CHANGELOG.md has no link for %s", name)
		}
	}
	for version, want := range map[string]bool{"v" + latest: true, "v999.0.0": false} {
		notes := filepath.Join(t.TempDir(), "notes.md")
		process := exec.CommandContext(t.Context(), "make", "-C", "..", "release-notes", "VERSION="+version, "RELEASE_NOTES="+notes)
		out, err := process.CombinedOutput()
		if (err == nil) != want {
			t.Errorf("make release-notes VERSION=%s: %v: %s, want success: %v", version, err, out, want)
			continue
		}
		if text := read(t, notes); want != strings.Contains(text, "\n### ") || strings.Contains(text, "\n## ") || strings.Contains(text, "]: ") {
			t.Errorf("the notes of %s are %q, want the part of CHANGELOG.md alone", version, text)
		}
	}
}
