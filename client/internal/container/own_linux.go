package container

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// hostNamespaceInode is the inode of the host's cgroup namespace (PROC_CGROUP_INIT_INO of
// the kernel).
const hostNamespaceInode = 0xEFFFFFFB

// Own returns the identity of this process's container.
func Own() Identity {
	namespace := inode("/proc/self/ns/cgroup")
	return identify("/", namespace != 0 && namespace != hostNamespaceInode, os.Getenv("DD_EXTERNAL_ENV"))
}

// identify reads the files below root. In its own cgroup namespace, a process does not see
// the container's name in the paths of its cgroups, but its cgroup's directory is the
// container's.
func identify(root string, inNamespace bool, externalEnv string) Identity {
	identity := Identity{ExternalEnv: cleanExternalEnv(externalEnv)}
	file, err := os.Open(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return identity
	}
	defer file.Close()
	groups := parse(file)
	if id := containerID(groups); id != "" {
		identity.ContainerID, identity.EntityID = id, "ci-"+id
		return identity
	}
	if !inNamespace {
		return identity
	}
	for _, directory := range directories(groups) {
		if n := inode(filepath.Join(root, "sys/fs/cgroup", directory)); n != 0 {
			identity.EntityID = "in-" + strconv.FormatUint(n, 10)
			break
		}
	}
	return identity
}

// inode returns the inode of a file, or 0.
func inode(path string) uint64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	return stat.Ino
}
