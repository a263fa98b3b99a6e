package deploy_test

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// readDockerfile reads it as docker build does, and returns its stages.
func readDockerfile(t *testing.T) []instructions.Stage {
	t.Helper()
	parsed, err := parser.Parse(strings.NewReader(read(t, "Dockerfile")))
	if err != nil {
		t.Fatal(err)
	}
	for _, warning := range parsed.Warnings {
		t.Errorf("Dockerfile: %s", warning.Short)
	}
	stages, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	return stages
}

func TestImageHoldsTheBinaryAlone(t *testing.T) {
	t.Parallel()
	stages := readDockerfile(t)
	last := stages[len(stages)-1]
	if len(stages) != 2 || last.BaseName != "scratch" {
		t.Fatalf("the image is made of %d stages, and begins with %s, want 2 stages and BaseName %q", len(stages), last.BaseName, "scratch")
	}
	var exposed []string
	for _, command := range last.Commands {
		switch command := command.(type) {
		case *instructions.UserCommand:
			user, _, _ := strings.Cut(command.User, ":")
			if id, err := strconv.Atoi(user); err != nil || id == 0 {
				t.Errorf("the user is %s; Kubernetes can only tell of a number that it is not root", command.User)
			}
		case *instructions.EntrypointCommand:
			if command.PrependShell || !slices.Equal(command.CmdLine, []string{"/scopegate"}) {
				t.Errorf("the entry point is %q, want /scopegate", command.CmdLine)
			}
		case *instructions.CmdCommand:
			if command.PrependShell || command.CmdLine[0] != "serve" {
				t.Errorf("the command is %q, want serve first", command.CmdLine)
			}
		case *instructions.HealthCheckCommand:
			if want := []string{"CMD", "/scopegate", "health"}; !slices.Equal(command.Health.Test, want) {
				t.Errorf("the health check is %q, want %q", command.Health.Test, want)
			}
		case *instructions.ExposeCommand:
			exposed = command.Ports
		case *instructions.CopyCommand:
			if command.From != stages[0].Name {
				t.Errorf("%q come from %q, want %v", command.SourcePaths, command.From, stages[0].Name)
			}
		case *instructions.StopSignalCommand:
		default:
			t.Errorf("the image has %s", command.Name())
		}
	}
	c := readCluster(t)
	if want := []string{strconv.Itoa(int(c.port(t, "grpc"))), strconv.Itoa(int(c.port(t, "admin")))}; !slices.Equal(exposed, want) {
		t.Errorf("the image exposes %q, the pods have %q, want %v", exposed, want, want)
	}
	if user := c.deployment.Spec.Template.Spec.SecurityContext.RunAsUser; *user != 65532 {
		t.Errorf("the pods run as %d, want 65532", *user)
	}
}

// TestImageCanBeReached runs the image's command as the Dockerfile says to run it,
// on ports that are free: each port that is published there is one that the command
// listens on, at all addresses.
func TestImageCanBeReached(t *testing.T) {
	t.Parallel()
	var args []string
	for _, command := range readDockerfile(t)[1].Commands {
		if cmd, ok := command.(*instructions.CmdCommand); ok {
			args = slices.Clone(cmd.CmdLine)
		}
	}
	var listened []string
	for i, arg := range args {
		if host, port, err := net.SplitHostPort(arg); err == nil {
			if ip := net.ParseIP(host); host != "" && (ip == nil || !ip.IsUnspecified()) {
				t.Errorf("%s can't be reached from outside of the container", arg)
			}
			listened = append(listened, port)
			args[i] = net.JoinHostPort(host, "0")
		}
	}
	run := regexp.MustCompile(`docker run (?:.*\\\n#)?.*`).FindString(read(t, "Dockerfile"))
	published := regexp.MustCompile(`-p (\S+):(\d+):(\d+)`).FindAllStringSubmatch(run, -1)
	if len(published) == 0 || !strings.HasSuffix(run, " scopegate") {
		t.Errorf("nothing is published, or the command replaced: %s", run)
	}
	for _, port := range published {
		if port[1] != "127.0.0.1" || port[2] != port[3] || !slices.Contains(listened, port[3]) {
			t.Errorf("%s is published, %q are listened on, want one of these, on 127.0.0.1", port[0], listened)
		}
	}
	process, address := startScopegate(t, args...)
	host, _, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err != nil || !ip.IsUnspecified() {
		t.Errorf("listens on %s, want an address for all", address)
	}
	if err := process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if state, err := process.Wait(); err != nil || !state.Success() {
		t.Errorf("ended with %v, %v, want success", state, err)
	}
}

// TestHealthCheck runs the image's health check beside its command, with an admin port
// elsewhere.
func TestHealthCheck(t *testing.T) {
	t.Parallel()
	var args, check []string
	for _, command := range readDockerfile(t)[1].Commands {
		switch command := command.(type) {
		case *instructions.CmdCommand:
			args = slices.Clone(command.CmdLine)
		case *instructions.HealthCheckCommand:
			check = command.Health.Test[2:]
		}
	}
	i := slices.Index(args, "--admin-listen")
	if i < 0 {
		t.Fatalf("the command is %q, want --admin-listen in it", args)
	}
	dir, err := os.MkdirTemp("", "") //nolint:usetesting // t.TempDir can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	args[i+1] = "unix://" + filepath.Join(dir, "admin")
	args[slices.Index(args, "--listen")+1] = "127.0.0.1:0"
	_, address := startScopegate(t, args...)
	scopegate(t, nil, "health", "--server", address) // it is answered once the server serves
	if got, want := scopegate(t, []string{"SCOPEGATE_ADMIN_LISTEN=" + args[i+1]}, check...), "serving at "+args[i+1]+"\n"; got != want {
		t.Errorf("the health check prints %q, want %q", got, want)
	}
}

// startScopegate starts a server, and returns it and the address that it prints.
func startScopegate(t *testing.T, args ...string) (process *os.Process, address string) {
	t.Helper()
	path, err := command()
	if err != nil {
		t.Fatal(err)
	}
	started := exec.CommandContext(t.Context(), path, args...)
	started.Env = []string{"PATH=" + os.Getenv("PATH")}
	stdout, err := started.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := started.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if !ok {
		t.Fatalf("printed %q, %v, want the address", line, err)
	}
	return started.Process, address
}

// TestImageIsBuiltWithThisGo: the compiler's version decides about the bytes, so the
// image, CI and releases have the same one, which this module's go.mod names.
func TestImageIsBuiltWithThisGo(t *testing.T) {
	t.Parallel()
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+\.\d+)$`).FindStringSubmatch(read(t, "go.mod"))
	if version == nil {
		t.Fatal("go.mod names no version of Go")
	}
	if base, want := readDockerfile(t)[0].BaseName, "golang:"+version[1]+"-"; !strings.HasPrefix(base, want) {
		t.Errorf("the image is built with %s, want %q at its beginning", base, want)
	}
}

// TestContextHasWhatTheBuildNeeds: everything that is not named in .dockerignore is
// left out.
func TestContextHasWhatTheBuildNeeds(t *testing.T) {
	t.Parallel()
	lines := strings.Split(strings.TrimSpace(read(t, "../.dockerignore")), "\n")
	if !slices.Contains(lines, "*") {
		t.Error("the context is open")
	}
	for _, line := range lines {
		if name, ok := strings.CutPrefix(line, "!"); ok {
			if _, err := os.Stat(filepath.Join("..", name)); err != nil {
				t.Errorf(".dockerignore: %v", err)
			}
		}
	}
}
