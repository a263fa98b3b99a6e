package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
)

// listenAddress is an address to listen on, and the setting that has it.
type listenAddress struct{ setting, address string }

func listenAddresses(setting string, addresses ...string) []listenAddress {
	var all []listenAddress
	for _, address := range addresses {
		all = append(all, listenAddress{setting, address})
	}
	return all
}

// checkAddresses returns a [*settings.UsageError] if listening on all of the addresses
// can't succeed. It listens on none and asks no name server.
func checkAddresses(all []listenAddress) error {
	var wrong []error
	for i, one := range all {
		if err := checkListenable(one.address); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %q: %w", one.setting, one.address, err))
			continue
		}
		for _, other := range all[:i] {
			if checkListenable(other.address) == nil && overlap(one.address, other.address) {
				wrong = append(wrong, fmt.Errorf("%s: %q: already used by %s, as %q",
					one.setting, one.address, other.setting, other.address))
			}
		}
	}
	if err := errors.Join(wrong...); err != nil {
		return &settings.UsageError{Err: err}
	}
	return nil
}

// checkListenable fails if listen can't succeed, whatever else runs on the host.
func checkListenable(address string) error {
	if path, isUnix := strings.CutPrefix(address, settings.UnixScheme); isUnix {
		return checkSocket(path)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return errors.New("neither host:port nor unix:///path")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q is not a port number", port)
	}
	if host != "" && !settings.IsHost(host) {
		return fmt.Errorf("%q is neither a host name nor an IP address", host)
	}
	return nil
}

// checkSocket fails if no socket can be created at path.
func checkSocket(path string) error {
	if err := settings.CheckSocketPath(path); err != nil {
		return err
	}
	folder := filepath.Dir(path)
	stat, err := os.Stat(folder)
	switch {
	case err != nil:
		return err
	case !stat.IsDir():
		return fmt.Errorf("%s is not a directory", folder)
	}
	if err := checkSocketFile(path); err != nil {
		return err
	}
	return checkWritable(folder)
}

// checkSocketFile fails if path is a file, but not a socket.
func checkSocketFile(path string) error {
	stat, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case stat.IsDir():
		return errors.New("is a directory")
	case stat.Mode().Type() != fs.ModeSocket:
		return errors.New("the file is not a socket")
	}
	return nil
}

// overlap reports whether only one of two addresses can be listened on.
func overlap(a, b string) bool {
	pathA, isUnixA := strings.CutPrefix(a, settings.UnixScheme)
	pathB, isUnixB := strings.CutPrefix(b, settings.UnixScheme)
	if isUnixA || isUnixB {
		return isUnixA && isUnixB && sameFile(pathA, pathB)
	}
	hostA, portA, _ := net.SplitHostPort(a)
	hostB, portB, _ := net.SplitHostPort(b)
	numberA, _ := strconv.ParseUint(portA, 10, 16)
	numberB, _ := strconv.ParseUint(portB, 10, 16)
	return numberA == numberB && numberA != 0 && overlapHosts(hostA, hostB)
}

// sameFile reports whether two paths name a file in the same folder.
func sameFile(a, b string) bool {
	if filepath.Base(a) != filepath.Base(b) {
		return false
	}
	folderA, errA := os.Stat(filepath.Dir(a))
	folderB, errB := os.Stat(filepath.Dir(b))
	return errA == nil && errB == nil && os.SameFile(folderA, folderB)
}

// overlapHosts reports whether two hosts share an address. An empty host means all
// addresses, and so do 0.0.0.0 and [::]: package net listens for both IPv4 and IPv6 on
// each of them.
func overlapHosts(a, b string) bool {
	addressA, errA := hostAddress(a)
	addressB, errB := hostAddress(b)
	if errA == nil && addressA.IsUnspecified() || errB == nil && addressB.IsUnspecified() {
		return true
	}
	if errA != nil || errB != nil {
		return strings.EqualFold(a, b)
	}
	return addressA == addressB
}

// hostAddress returns the address of a host. It asks no name server.
func hostAddress(host string) (netip.Addr, error) {
	switch {
	case host == "":
		return netip.IPv6Unspecified(), nil
	case strings.EqualFold(host, "localhost"):
		host = "127.0.0.1"
	}
	address, err := netip.ParseAddr(host)
	return address.Unmap(), err
}
