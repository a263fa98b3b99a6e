// Package container finds the container that this process runs in, as the tracers of
// Datadog do, so that an agent can add the container's tags to what the process sends.
//
// Start at [Own]. The identity is from the process's cgroups, which the kernel lists in
// /proc/self/cgroup (cgroups(7)).
package container

import (
	"bufio"
	"io"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Identity is the identity of a process's container. Each string is empty if it is
// unknown.
type Identity struct {
	// ContainerID is the identity that the container's runtime gave it.
	ContainerID string
	// EntityID is `ci-` and the ContainerID, or `in-` and the inode of the cgroup.
	EntityID string
	// ExternalEnv is a description of the process by the cluster's admission controller.
	ExternalEnv string
}

// maxExternalEnvBytes is the server's limit. The server refuses an upload with a longer
// value.
const maxExternalEnvBytes = 256

func cleanExternalEnv(value string) string {
	if len(value) > maxExternalEnvBytes || !utf8.ValidString(value) {
		return ""
	}
	return value
}

// maxCgroupBytes bounds how much of /proc/self/cgroup is read.
const maxCgroupBytes = 64 << 10

// cgroup is a line of /proc/self/cgroup: a group that the process belongs to.
type cgroup struct {
	// controllers are separated by commas. A cgroup of version 2 has none.
	controllers string
	path        string
}

// parse ignores lines that are not `id:controllers:path`, and read errors.
func parse(r io.Reader) []cgroup {
	var groups []cgroup
	lines := bufio.NewScanner(io.LimitReader(r, maxCgroupBytes))
	for lines.Scan() {
		fields := strings.SplitN(lines.Text(), ":", 3)
		if len(fields) == 3 && strings.HasPrefix(fields[2], "/") {
			groups = append(groups, cgroup{controllers: fields[1], path: fields[2]})
		}
	}
	return groups
}

// element matches an element of a cgroup's path that names a container. The ID is 64
// hexadecimal digits (Docker, containerd, CRI-O, Podman), 32 and a number (a task of ECS on
// Fargate), a UUID with a short last group (Garden), or a UUID. The runtime may precede it,
// as in `docker-` or `kubepods.slice:cri-containerd:`, and systemd's `.scope` may follow.
var element = regexp.MustCompile(
	`^(?:.*:|[a-z][a-z-]*-)?` +
		`([0-9a-f]{64}|[0-9a-f]{32}-[0-9]+|[0-9a-f]{8}(?:[-_][0-9a-f]{4}){4}(?:[0-9a-f]{8})?)` +
		`(?:\.scope)?$`)

// containerID returns the ID of the innermost container in the first of the groups that
// names one.
func containerID(groups []cgroup) string {
	for _, group := range groups {
		for rest := group.path; rest != "/" && rest != "."; rest = path.Dir(rest) {
			if found := element.FindStringSubmatch(path.Base(rest)); found != nil {
				return found[1]
			}
		}
	}
	return ""
}

// directories returns the directories, below the cgroup mount, of the groups that every
// container has.
func directories(groups []cgroup) []string {
	var found []string
	for _, group := range groups {
		switch group.controllers {
		case "", "memory":
			found = append(found, path.Join(group.controllers, path.Clean(group.path)))
		}
	}
	return found
}
