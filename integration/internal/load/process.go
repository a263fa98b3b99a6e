package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Server is a server that can be started.
type Server struct {
	// Name is its name in messages and in the name of its log.
	Name string
	// Program is the path of its program, Args the arguments before --listen and
	// --intake-url.
	Program string
	Args    []string
}

// Process is a running server.
type Process struct {
	Address string // that it listens on

	cmd  *exec.Cmd
	stop context.CancelFunc
	log  *os.File
}

// stopGrace is how long a server may take to stop before it is killed.
const stopGrace = time.Minute

// Start runs a server on a free port and returns when it listens. Its log goes to a file
// in dir. End must be called, even if ctx is done.
func Start(ctx context.Context, s Server, intakeURL, dir string) (_ *Process, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer func() {
		if err != nil {
			stop()
		}
	}()
	log, err := os.Create(filepath.Join(dir, s.Name+".log"))
	if err != nil {
		return nil, err
	}
	args := slices.Concat(s.Args, []string{"--listen", "127.0.0.1:0", "--intake-url", intakeURL})
	p := &Process{cmd: exec.CommandContext(ctx, s.Program, args...), stop: stop, log: log} // #nosec G204 -- named by the caller
	// Several servers run at once, and only one could have the default admin port.
	p.cmd.Env = append(os.Environ(), "SCOPEGATE_ADMIN_LISTEN=none")
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = stopGrace
	p.cmd.Stderr = log
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		return nil, errors.Join(fmt.Errorf("%s does not listen, see %s: %q", s.Program, log.Name(), line), p.End())
	}
	p.Address = address
	return p, nil
}

// End stops the server and waits for it.
func (p *Process) End() error {
	p.stop()
	err := p.cmd.Wait()
	if errors.Is(err, context.Canceled) {
		err = nil // it stopped as asked
	}
	return errors.Join(err, p.log.Close())
}

// Usage returns what the process has used so far.
func (p *Process) Usage() (Usage, error) { return UsageOf(p.cmd.Process.Pid) }

var flagName = regexp.MustCompile(`--[a-z][a-z0-9-]*`)

// Flags returns the flags in the help of the server's program, so that an older one can
// be started without newer flags.
func (s Server) Flags(ctx context.Context) (map[string]bool, error) {
	help, err := s.help(ctx, "--help-all")
	if err != nil { // an older one shows all flags by --help
		help, err = s.help(ctx, "--help")
	}
	if err != nil {
		return nil, fmt.Errorf("ask %s for its flags: %w", s.Program, err)
	}
	flags := map[string]bool{}
	for _, name := range flagName.FindAllString(string(help), -1) {
		flags[name] = true
	}
	return flags, nil
}

func (s Server) help(ctx context.Context, flag string) ([]byte, error) {
	args := slices.Concat(s.Args, []string{flag})
	return exec.CommandContext(ctx, s.Program, args...).Output() // #nosec G204 -- named by the caller
}
