package integration_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scopegate/scopegate/integration/internal/testbed"
)

const (
	readme     = "../README.md"
	quickstart = "../docs/quickstart.md"
)

// The addresses and the folder in the documents' commands: these are replaced, all else
// runs as printed.
const (
	printedServer = "127.0.0.1:50051"
	printedListen = "--listen 127.0.0.1:8127" // an agent has 8126
	printedIntake = "http://127.0.0.1:8127/symdb/v1/input"
	printedCurl   = "curl http://127.0.0.1:8127/"
	printedFolder = "/tmp/batches"
)

// blocks returns the blocks of code in a language below a heading of a document.
func blocks(t *testing.T, path, heading, language string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, below, found := strings.Cut(string(text), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("%s has no section %q", path, heading)
	}
	below, _, _ = strings.Cut(below, "\n## ")
	var code []string
	for _, block := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(below, -1) {
		code = append(code, block[1])
	}
	return code
}

// requireTools skips the test if a command is missing.
func requireTools(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed", name)
		}
	}
}

// runSession runs a script of a document in a folder where bin/scopegate is the command,
// with unix sockets in place of the printed addresses, and returns what it prints.
func runSession(t *testing.T, script string) string {
	t.Helper()
	binary, err := testbed.Binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(binary, filepath.Join(dir, "bin", "scopegate")); err != nil {
		t.Fatal(err)
	}
	intake := filepath.Join(dir, "intake")
	intakeURL, curl := "unix://"+intake+":/symdb/v1/input", "curl --silent --unix-socket "+intake+" http://localhost/"
	script = strings.NewReplacer(
		printedListen, "--listen unix://"+intake,
		printedIntake, intakeURL,
		printedCurl, curl,
		printedFolder, filepath.Join(dir, "batches"),
	).Replace(script)
	command := exec.CommandContext(testbed.Context(t), "bash", "-c",
		"set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT\n"+script)
	command.Dir = dir
	command.Env = append(os.Environ(), "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"),
		"SCOPEGATE_ADMIN_LISTEN=none",
		"SCOPEGATE_LISTEN=unix://"+filepath.Join(dir, "server"), "SCOPEGATE_UPLOAD_SERVER=unix://"+filepath.Join(dir, "server"))
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) } // the trap ends the others
	command.WaitDelay = 10 * time.Second
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, script, output)
	}
	return string(output)
}

// TestReadmeSession runs the commands of README.md's section "Try it", and stops what they
// have started as the text below them says.
func TestReadmeSession(t *testing.T) {
	t.Parallel()
	requireTools(t, "bash", "curl")
	commands := blocks(t, readme, "Try it", "sh")
	if len(commands) != 1 || strings.Count(commands[0], "\n") != 4 {
		t.Fatalf("the session is %q, want one block of four commands", commands)
	}
	const stop = "kill %1 %2"
	if text, err := os.ReadFile(readme); err != nil || !strings.Contains(string(text), "`"+stop+"`") {
		t.Errorf("%v: README.md lacks %q", err, stop)
	}
	output := runSession(t, commands[0]+stop+"\nwait\n")
	for _, want := range []string{"uploaded scopegate: ", `"service": "scopegate"`, `"complete": true`, "msg=stopped"} {
		if !strings.Contains(output, want) {
			t.Errorf("got %s, want %q in it", output, want)
		}
	}
}

// TestReadmeDemo: the last line of scopegate demo is the one that README.md shows.
func TestReadmeDemo(t *testing.T) {
	t.Parallel()
	requireTools(t, "bash")
	shown := blocks(t, readme, "Try it", "")
	if len(shown) == 0 || strings.Count(shown[0], "\n") != 1 {
		t.Fatalf("README.md shows %q, want first a line of output", shown)
	}
	if got := runSession(t, "scopegate demo"); !strings.HasSuffix(got, "\n"+shown[0]) {
		t.Errorf("got %s, want %q at its end", got, shown[0])
	}
}

// TestReadmeProgram builds and runs README.md's Go program.
func TestReadmeProgram(t *testing.T) {
	t.Parallel()
	programs := blocks(t, readme, "Use it from Go", "go")
	if len(programs) != 1 || strings.Count(programs[0], printedServer) != 1 {
		t.Fatalf("the programs are %q, want one with the server's address", programs)
	}
	intake := testbed.StartIntake(t, nil)
	server := testbed.StartProcess(t, intake.URL(), "127.0.0.1:0")
	dir := t.TempDir()
	source, program := filepath.Join(dir, "main.go"), filepath.Join(dir, "program.exe")
	code := strings.ReplaceAll(programs[0], printedServer, server.Address)
	if err := os.WriteFile(source, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(testbed.Context(t), "go", "build", "-o", program, source)
	build.Dir = ".."                                     // the module that the file on the command line imports from
	build.Env = append(build.Environ(), "CGO_ENABLED=0") // as all programs that tests build
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	output, err := exec.CommandContext(testbed.Context(t), program).CombinedOutput()
	if err != nil || !regexp.MustCompile(`^uploaded [1-9]\d* scopes\n$`).Match(output) {
		t.Errorf("the program printed %q, %v, want that it uploaded scopes", output, err)
	}
	if len(intake.Posts()) == 0 {
		t.Error("the intake has no batch")
	}
}

// TestQuickstart runs docs/quickstart.md's commands from the start of the intake to the
// upload of NDJSON. Servers run in the background in place of terminals of their own.
func TestQuickstart(t *testing.T) {
	t.Parallel()
	requireTools(t, "bash", "curl", "gunzip")
	servers := blocks(t, quickstart, "2. Start an intake and a server", "sh")
	upload := blocks(t, quickstart, "3. Upload", "sh")
	look := blocks(t, quickstart, "4. Look at it", "sh")
	languages := blocks(t, quickstart, "From another language", "sh")
	if len(servers) != 2 || len(upload) != 1 || len(look) != 1 || len(languages) != 2 {
		t.Fatalf("got blocks %q, %q, %q, %q, want 2, 1, 1 and 2", servers, upload, look, languages)
	}
	script := ""
	for _, server := range servers {
		script += strings.TrimSpace(server) + " &\n"
	}
	// What closes the pipe of "head" is no failure of the page's.
	output := runSession(t, script+upload[0]+"set +o pipefail\n"+look[0]+"set -o pipefail\n"+languages[1])
	for _, want := range []string{
		"uploaded scopegate: ", "\nupload id ", `"complete": true`, `{"service":"scopegate",`, `"scopes":[{`,
		"uploaded shop: 1 scope in 1 batch",
	} {
		if !strings.Contains(output, want) {
			t.Errorf("got %s, want %q in it", output, want)
		}
	}
}

// TestQuickstartByHand runs the commands of docs/quickstart.md's section for grpcurl and
// ghz: one block starts the server, the next one calls it. `make readme` installs both
// tools.
func TestQuickstartByHand(t *testing.T) {
	t.Parallel()
	requireTools(t, "bash", "grpcurl", "ghz")
	commands := blocks(t, quickstart, "By hand", "sh")
	if len(commands) != 3 {
		t.Fatalf("docs/quickstart.md has %d blocks of commands for grpcurl and ghz, want 3", len(commands))
	}
	serve, hasServe := strings.CutPrefix(strings.TrimSpace(commands[1]), "bin/scopegate serve ")
	serve, hasIntake := strings.CutSuffix(serve, "--intake-url "+printedIntake)
	if !hasServe || !hasIntake {
		t.Fatalf("the server is started by %q, want serve and intake", commands[1])
	}
	intake := testbed.StartIntake(t, nil)
	server := testbed.StartProcess(t, intake.URL(), "127.0.0.1:0", strings.Fields(serve)...)
	for _, tool := range []string{"grpcurl", "ghz"} {
		if !strings.Contains(commands[0], ".tmp/bin/"+tool) {
			t.Errorf("docs/quickstart.md does not install %s", tool)
		}
		if !strings.Contains(commands[2], "\n"+tool+" ") && !strings.HasPrefix(commands[2], tool+" ") {
			t.Errorf("docs/quickstart.md has no command of %s", tool)
		}
	}
	script := "set -euo pipefail\n" + strings.ReplaceAll(commands[2], printedServer, server.Address)
	command := exec.CommandContext(testbed.Context(t), "bash", "-c", script)
	command.Dir = t.TempDir()
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, script, output)
	}
	const calls = 200 // by ghz, which succeeds whatever the calls do
	for _, want := range []string{
		"symdb.v1.SymbolDatabaseService", // grpcurl's list
		"message Scope {",                // grpcurl's description
		`"scopeCount": "2"`,              // grpcurl's upload
		fmt.Sprintf(`\[OK\] +%d responses`, calls),
	} {
		if !regexp.MustCompile(want).Match(output) {
			t.Errorf("no %q in the output", want)
		}
	}
	if posts := len(intake.Posts()); posts != calls+1 {
		t.Errorf("the intake has %d batches, want %d", posts, calls+1)
	}
	if t.Failed() {
		t.Logf("%s\n%s", script, output)
	}
}
