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
	// ExternalEnv is what a cluster's admission controller says of the process.
	ExternalEnv string
}

// maxExternalEnvBytes is the server's limit. A longer value would have it refuse the
// upload.
const maxExternalEnvBytes = 256

func cleanExternalEnv(value string) string {
	if len(value) > maxExternalEnvBytes || !utf8.ValidString(value) {
		return ""
	}
	return value
}

// maxCgroupBytes bounds what is read of /proc/self/cgroup.
const maxCgroupBytes = 64 << 10

// cgroup is a line of /proc/self/cgroup: a group that the process belongs to.
type cgroup struct {
	// controllers are separated by commas. A cgroup of version 2 has none.
	controllers string
	path        string
}

// parse ignores lines that are not `id:controllers:path`, and what can't be read.
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

// element matches an element of a cgroup's path that names a container. Its identity is
// that of Docker, containerd, CRI-O and Podman (64 hexadecimal digits), of a task of ECS on
// Fargate (32, and a number), of Garden (as a UUID with a short last group), or a UUID.
// Before it can be the runtime, `docker-` or `kubepods.slice:cri-containerd:`, after it
// systemd's `.scope`.
var element = regexp.MustCompile(
	`^(?:.*:|[a-z][a-z-]*-)?` +
		`([0-9a-f]{64}|[0-9a-f]{32}-[0-9]+|[0-9a-f]{8}(?:[-_][0-9a-f]{4}){4}(?:[0-9a-f]{8})?)` +
		`(?:\.scope)?$`)

// containerID returns the identity of the innermost container in the first of the groups
// that names one.
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

// directories returns where the groups that every container has one of are mounted, below
// the mount of all cgroups.
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
