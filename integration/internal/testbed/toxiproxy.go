package testbed

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
)

// toxiproxy is the process of the proxies, or nil.
var toxiproxy struct {
	command *exec.Cmd
	stdin   io.Closer
}

// toxiproxyClient keeps no idle connections: their goroutines would look like leaks of a
// test.
var toxiproxyClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// toxiproxyAPI returns the URL of the API of toxiproxy, which it builds and starts, once in
// a process. It is ended by [Forget], or by the end of this process, which closes its
// input.
var toxiproxyAPI = sync.OnceValues(func() (string, error) {
	path, err := build("toxiproxy", "integration/toxiproxy", ".")
	if err != nil {
		return "", err
	}
	command := exec.Command(path) // #nosec G204 -- a path of our own making
	command.Stderr = os.Stderr
	stdin, stdinErr := command.StdinPipe()
	stdout, err := command.StdoutPipe()
	if err := errors.Join(stdinErr, err); err != nil {
		return "", err
	}
	if err := command.Start(); err != nil {
		return "", err
	}
	toxiproxy.command, toxiproxy.stdin = command, stdin
	line, err := bufio.NewReader(stdout).ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if !ok {
		return "", fmt.Errorf("toxiproxy printed %q, %w", line, err)
	}
	return "http://" + address, nil
})

// endToxiproxy ends the process, if there is one.
func endToxiproxy() {
	if toxiproxy.command != nil {
		_ = toxiproxy.stdin.Close()
		_ = toxiproxy.command.Wait()
	}
}
