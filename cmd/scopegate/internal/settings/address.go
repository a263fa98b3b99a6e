package settings

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// UnixScheme begins the address of a unix socket.
const UnixScheme = "unix://"

// IsHostName reports whether a host can have that name.
func IsHostName(s string) bool {
	plain := func(r rune) bool {
		return r == '-' || r == '.' || r == '_' || '0' <= r && r <= '9' || 'a' <= r|0x20 && r|0x20 <= 'z'
	}
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) })
}

// IsPort reports whether a client can connect to a port of that number.
func IsPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

// IsHost reports whether a host can have that name or IP address.
func IsHost(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil || IsHostName(host)
}

// maxSocketPathBytes is the longest path of a unix socket: 107 bytes on Linux.
const maxSocketPathBytes = len(syscall.RawSockaddrUnix{}.Path) - 1

// CheckSocketPath returns what no socket's path can be.
func CheckSocketPath(path string) error {
	switch {
	case !filepath.IsAbs(path):
		return errors.New("the path is not absolute: write unix:///path")
	case strings.HasSuffix(path, "/"):
		return errors.New("the path is that of a folder")
	case strings.ContainsRune(path, 0):
		return errors.New("the path has a zero byte")
	case len(path) > maxSocketPathBytes:
		return fmt.Errorf("the path has %d bytes; that of a socket can have %d", len(path), maxSocketPathBytes)
	}
	return nil
}
