package settings

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/scopegate/scopegate/server"
)

// UnixScheme begins the address of a unix socket.
const UnixScheme = "unix://"

// IsHostName reports whether s can be a host's name.
func IsHostName(s string) bool {
	plain := func(r rune) bool {
		return r == '-' || r == '.' || r == '_' || '0' <= r && r <= '9' || 'a' <= r|0x20 && r|0x20 <= 'z'
	}
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) })
}

// IsPort reports whether port is a number from 1 to 65535.
func IsPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

// IsHost reports whether host can be a host's name or an IP address.
func IsHost(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil || IsHostName(host)
}

// CheckSocketPath fails if path can't be the path of a unix socket.
func CheckSocketPath(path string) error {
	switch {
	case !filepath.IsAbs(path):
		return errors.New("the path is not absolute: write unix:///path")
	case strings.HasSuffix(path, "/"):
		return errors.New("the path ends with a slash")
	case strings.ContainsRune(path, 0):
		return errors.New("the path has a zero byte")
	case len(path) > server.MaxSocketPathBytes:
		return fmt.Errorf("the path has %d bytes; a socket path can have %d", len(path), server.MaxSocketPathBytes)
	}
	return nil
}
