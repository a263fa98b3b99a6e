package main

import (
	"slices"
	"strings"
)

// renamedVariables had the prefix of all commands before they got upload's.
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
