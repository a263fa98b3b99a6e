package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/scopegate/scopegate/integration/logged"
)

// TestScripts runs the scripts of testdata/script. They have testscript's own commands, and
// the following ones, which run the command in this process, with the script's variables.
// These fail if the command prints "canary", which is part of each secret in a script:
//
//	runs ARGUMENT...                 exits with 0
//	fails CODE TEXT ARGUMENT...      exits with CODE, serves nothing, and has TEXT in stderr
//	refuses TEXT ARGUMENT...         fails 2 for serve, and for serve --check in the same words
//	binaries                         sets $BINARY and $STRIPPED: Go binaries with and without DWARF
//
// `exec scopegate` runs it in a process. $SERVER is a server in front of an intake, $ADMIN
// the admin port of another that has none, $NAME the last part of $WORK, and $LONG longer
// than the path of a socket can be.
func TestScripts(t *testing.T) {
	t.Parallel()
	server := newStack(t).server
	_, _, admin := startServe(t, variables(map[string]string{"SCOPEGATE_ADMIN_LISTEN": "127.0.0.1:0"}),
		"--intake-url", "http://127.0.0.1:1/")
	waitForReadyz(t, admin, http.StatusOK)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("SERVER", server)
			env.Setenv("ADMIN", admin)
			env.Setenv("SCOPEGATE_ADMIN_LISTEN", adminNone)
			env.Setenv("NAME", filepath.Base(env.WorkDir))
			env.Setenv("LONG", strings.Repeat("x", 200))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"runs": func(ts *testscript.TestScript, _ bool, args []string) { requireExit(ts, exitOK, "", args) },
			"fails": func(ts *testscript.TestScript, _ bool, args []string) {
				code, err := strconv.Atoi(args[0])
				ts.Check(err)
				if got := requireExit(ts, code, args[1], args[2:]); strings.Contains(got.stdout, "listening on") {
					ts.Fatalf("it serves: %s", got.stdout)
				}
			},
			"refuses": refuses,
			"binaries": func(ts *testscript.TestScript, _ bool, _ []string) {
				paths, err := smallBinary()
				ts.Check(err)
				ts.Setenv("BINARY", paths[0])
				ts.Setenv("STRIPPED", paths[1])
			},
		},
	})
}

// requireExit runs the command in this process, and returns its output.
func requireExit(ts *testscript.TestScript, code int, text string, args []string) result {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // reached only by what should have failed
	defer cancel()
	var stdout, stderr logged.Text
	got := result{code: run(ctx, args, strings.NewReader(""), &stdout, &stderr, ts.Getenv)}
	got.stdout, got.stderr = stdout.String(), stderr.String()
	fmt.Fprint(ts.Stdout(), got.stdout)
	fmt.Fprint(ts.Stderr(), got.stderr)
	switch {
	case got.code != code || !strings.Contains(got.stderr, text):
		ts.Fatalf("scopegate %q: code %d, want %d; stderr, want %q in it:\n%s", args, got.code, code, text, got.stderr)
	case strings.Contains(got.stdout+got.stderr, "canary"):
		ts.Fatalf("scopegate %q: a secret is printed:\n%s%s", args, got.stdout, got.stderr)
	}
	return got
}

// refuses implements the script command.
func refuses(ts *testscript.TestScript, _ bool, args []string) {
	text, args := args[0], append(args[1:], "--log-level", "error")
	if !slices.Contains(args, "--listen") && ts.Getenv("SCOPEGATE_LISTEN") == "" {
		args = append(args, "--listen", "127.0.0.1:0")
	}
	serve := requireExit(ts, exitUsage, text, append([]string{"serve"}, args...))
	check := requireExit(ts, exitUsage, text, append([]string{"serve", "--check"}, args...))
	spool := regexp.MustCompile(`scopegate-\d+\.spool`)
	if got, want := spool.ReplaceAllString(check.stderr, ""), spool.ReplaceAllString(serve.stderr, ""); got != want {
		ts.Fatalf("--check %q says\n%swant, as serve says,\n%s", args, got, want)
	}
	parsed := !strings.Contains(check.stderr, "for help")
	if serve.stdout != "" || strings.HasPrefix(check.stdout, "SETTING ") != parsed || strings.Contains(check.stdout, "ok:") {
		ts.Fatalf("%q: serve prints %q, want nothing; --check prints %q, want the settings alone", args, serve.stdout, check.stdout)
	}
}
