package repository_test

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// foldersWith returns the folders of the repository that have a file of the name, as
// Dependabot writes them, in order. Test data and what is built are left out.
func foldersWith(t *testing.T, name string) []string {
	t.Helper()
	const root = "../.."
	var folders []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains([]string{".git", ".tmp", "bin", "dist", "node_modules", "testdata"}, entry.Name()):
			return fs.SkipDir
		case entry.Name() == name:
			folder, err := filepath.Rel(root, filepath.Dir(path))
			folders = append(folders, filepath.ToSlash(filepath.Join("/", folder)))
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(folders)
	return folders
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(read(t, path)), into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// TestDependabotSeesAllModules: each folder with dependencies is looked after.
func TestDependabotSeesAllModules(t *testing.T) {
	t.Parallel()
	var config struct {
		Version int
		Updates []struct {
			Ecosystem   string `yaml:"package-ecosystem"`
			Directories []string
			Schedule    struct{ Interval string }
		}
	}
	readYAML(t, "../../.github/dependabot.yml", &config)
	want := map[string][]string{
		"gomod": foldersWith(t, "go.mod"), "npm": foldersWith(t, "package.json"), "docker": foldersWith(t, "Dockerfile"),
		"github-actions": {"/"},
	}
	for _, update := range config.Updates {
		if got, want := slices.Sorted(slices.Values(update.Directories)), want[update.Ecosystem]; !slices.Equal(got, want) {
			t.Errorf("%s is updated in %q, want %q", update.Ecosystem, got, want)
		}
		if update.Schedule.Interval == "" {
			t.Errorf("%s is never updated", update.Ecosystem)
		}
		delete(want, update.Ecosystem)
	}
	if config.Version != 2 || len(want) > 0 {
		t.Errorf("version %d leaves out %v, want version 2 and nothing left out", config.Version, want)
	}
}

// TestModulesAreKnown: the tests that look at each module miss none.
func TestModulesAreKnown(t *testing.T) {
	t.Parallel()
	var known []string
	for _, module := range modules {
		known = append(known, filepath.ToSlash(filepath.Join("/integration/repository", module)))
	}
	slices.Sort(known)
	if found := foldersWith(t, "go.mod"); !slices.Equal(known, found) {
		t.Errorf("the tests know the modules %q, want %q", known, found)
	}
}

// workflow is what the tests read of a workflow of GitHub Actions.
type workflow struct {
	Name        string
	On          any
	Permissions map[string]string
	Concurrency struct{ Group string }
	Jobs        map[string]struct {
		Uses      string
		RunsOn    string `yaml:"runs-on"`
		Container string
		Steps     []struct {
			Uses, Run string
			With      map[string]any
		}
	}
}

// TestWorkflows: each workflow may only read unless a job asks for more, builds with the
// one version of Go, and names the versions of the actions that it uses.
func TestWorkflows(t *testing.T) {
	t.Parallel()
	pinned := regexp.MustCompile(`^[\w-]+/[\w-]+@(v\d+|[0-9a-f]{40})$`)
	paths, err := filepath.Glob("../../.github/workflows/*.yml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("got workflows %q, %v, want some", paths, err)
	}
	for _, path := range paths {
		var w workflow
		readYAML(t, path, &w)
		if w.Name == "" || w.On == nil || len(w.Permissions) != 1 || w.Permissions["contents"] != "read" {
			t.Errorf("%s: got name %q, on %v and permissions %v, want contents: read alone", path, w.Name, w.On, w.Permissions)
		}
		for name, job := range w.Jobs {
			if job.RunsOn == "" && !strings.HasPrefix(job.Uses, "./.github/workflows/") {
				t.Errorf("%s: %s runs nowhere", path, name)
			}
			for _, step := range job.Steps {
				if step.Uses != "" && !pinned.MatchString(step.Uses) {
					t.Errorf("%s: %s uses %q, want a version", path, name, step.Uses)
				}
				if file := step.With["go-version-file"]; strings.HasPrefix(step.Uses, "actions/setup-go@") && file != "deploy/go.mod" {
					t.Errorf("%s: %s takes the version of Go from %v, want deploy/go.mod", path, name, file)
				}
			}
		}
	}
}

// TestCIRunsOneScript: what CI checks, anyone can check by the same script.
func TestCIRunsOneScript(t *testing.T) {
	t.Parallel()
	var w workflow
	readYAML(t, "../../.github/workflows/ci.yml", &w)
	var uses, runs []string
	for _, job := range w.Jobs {
		for _, step := range job.Steps {
			if step.Run != "" {
				runs = append(runs, step.Run)
			}
			action, _, _ := strings.Cut(step.Uses, "@")
			uses = append(uses, action)
		}
	}
	if len(w.Jobs) != 1 || !slices.Equal(runs, []string{".ci/run"}) || !slices.Equal(uses, []string{"actions/checkout", "actions/setup-go", ""}) {
		t.Errorf("CI has %d jobs, uses %q and runs %q, want one job that runs .ci/run", len(w.Jobs), uses, runs)
	}
	if w.Concurrency.Group == "" {
		t.Error("CI does not end runs that newer ones replace")
	}
}

// TestIssueForms: each form has what GitHub needs to show it, and each question an
// identity of its own.
func TestIssueForms(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("../../.github/ISSUE_TEMPLATE/*.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if filepath.Base(path) == "config.yml" {
			var config struct {
				Links []struct{ Name, URL, About string } `yaml:"contact_links"`
			}
			readYAML(t, path, &config)
			for _, link := range config.Links {
				if link.Name == "" || !strings.HasPrefix(link.URL, "https://") || link.About == "" {
					t.Errorf("%s: got %+v, want a name, a URL and what it is about", path, link)
				}
			}
			continue
		}
		var form struct {
			Name, Description string
			Body              []struct {
				Type, ID   string
				Attributes struct{ Label, Value string }
			}
		}
		readYAML(t, path, &form)
		if form.Name == "" || form.Description == "" || len(form.Body) == 0 {
			t.Errorf("%s: got %+v, want a name, a description and questions", path, form)
		}
		seen := map[string]bool{}
		for _, question := range form.Body {
			if question.Type == "markdown" && question.Attributes.Value != "" {
				continue
			}
			if question.ID == "" || seen[question.ID] || question.Attributes.Label == "" {
				t.Errorf("%s: got question %+v, want a label, and an identity that no other has", path, question)
			}
			seen[question.ID] = true
		}
	}
	if len(paths) < 2 {
		t.Errorf("there are the forms %q, want some", paths)
	}
}
