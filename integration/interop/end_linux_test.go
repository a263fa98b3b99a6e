package interop_test

import (
	"os/exec"
	"syscall"
)

// endWithTest has a command killed where the test's process ends before it.
func endWithTest(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
