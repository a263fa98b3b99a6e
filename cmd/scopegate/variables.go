package main

import (
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
)

// renamedVariables are the variables of upload that had the prefix of all commands before.
var renamedVariables = []string{
	"SERVER", "MAX_ATTEMPTS", "TOKEN_FILE", "TOKEN", "COMPRESSION", "TIMEOUT",
	"PLAINTEXT", "TLS", "CA", "CERT", "KEY", "SERVER_NAME",
	"SERVICE", "ENV", "SERVICE_VERSION", "LANGUAGE", "RUNTIME_ID",
}

// acceptFormerNames returns getenv, with the values of renamed variables from their
// former names if the new ones are not set. It calls warn once for each of these.
func acceptFormerNames(getenv func(string) string, warn func(former, name string)) func(string) string {
	warned := make(map[string]bool)
	return func(name string) string {
		value := getenv(name)
		rest, ofUpload := strings.CutPrefix(name, "SCOPEGATE_UPLOAD_")
		if value != "" || !ofUpload || !slices.Contains(renamedVariables, rest) {
			return value
		}
		former := "SCOPEGATE_" + rest
		value = getenv(former)
		if value != "" && !warned[former] {
			warned[former] = true
			warn(former, name)
		}
		return value
	}
}

// unknownVariable is a variable that no command reads, and the one that may be meant.
type unknownVariable struct{ name, meant string }

// maxMistakes is how much a mistyped name may differ from the right one. Names that differ
// more may belong to another program.
const maxMistakes = 3

// ofKubernetes matches the variables that Kubernetes gives a pod for a service whose name
// begins with scopegate.
var ofKubernetes = regexp.MustCompile(`_SERVICE_HOST$|_SERVICE_PORT(_[A-Z0-9_]+)?$|_PORT(_[0-9]+_(TCP|UDP|SCTP)(_[A-Z]+)?)?$`)

// unknownVariables returns those of environ that look like a mistyped variable of the
// command.
func unknownVariables(environ []string, command string, program *kong.Node, sources *settings.Sources) []unknownVariable {
	known := []string{"SCOPEGATE_API_KEY", "SCOPEGATE_UPLOAD_TOKEN"}
	for _, name := range renamedVariables {
		known = append(known, "SCOPEGATE_"+name)
	}
	var own []string
	switch command {
	case "serve":
		own = append(own, "SCOPEGATE_API_KEY")
	case "upload":
		own = append(own, "SCOPEGATE_UPLOAD_TOKEN")
	}
	for _, node := range program.Children {
		for _, flag := range node.Flags {
			known = append(known, sources.Variables(flag)...)
			if node.Name == command {
				own = append(own, sources.Variables(flag)...)
			}
		}
	}
	var unknown []unknownVariable
	for _, variable := range environ {
		name, _, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, "SCOPEGATE_") || slices.Contains(known, name) || ofKubernetes.MatchString(name) {
			continue
		}
		// The nearest of all must be the command's own: others are for other commands.
		if meant := settings.Nearest(name, slices.Concat(own, known), maxMistakes); slices.Contains(own, meant) {
			unknown = append(unknown, unknownVariable{name, meant})
		}
	}
	return unknown
}
