package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
)

// listenAll listens on all addresses, or on none.
func listenAll(ctx context.Context, addresses []string) ([]net.Listener, error) {
	listeners := make([]net.Listener, 0, len(addresses))
	for _, address := range addresses {
		l, err := listen(ctx, address)
		if err != nil {
			closeAll(listeners)
			return nil, err
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close()
	}
}

// listen listens on `host:port`, where port 0 is any free one, or on
// `unix:///path/of/socket`. It replaces a socket file without a listener. Closing the
// listener removes the file.
func listen(ctx context.Context, address string) (net.Listener, error) {
	if err := checkListenable(address); err != nil {
		return nil, &settings.UsageError{Err: fmt.Errorf("listen on %q: %w", address, err)}
	}
	path, isUnix := strings.CutPrefix(address, settings.UnixScheme)
	if !isUnix {
		return listenOn(ctx, "tcp", address, address)
	}
	l, err := listenOn(ctx, "unix", path, address)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return l, err
	}
	if err := removeStale(ctx, path); err != nil {
		return nil, fmt.Errorf("listen on %q: %w", address, err)
	}
	return listenOn(ctx, "unix", path, address)
}

// listenOn listens on address; its errors say shown instead.
func listenOn(ctx context.Context, network, address, shown string) (net.Listener, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: %w", shown, explainListen(err))
	}
	return l, nil
}

// explainListen adds advice to an error of listening. Missing permission is a
// [*settings.UsageError]: waiting does not help, as it may if an address is in use, or is
// not yet one of this host.
func explainListen(err error) error {
	var advice string
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		advice = "stop the program that listens there, or use another address"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		advice = "not an address of this host"
	case errors.Is(err, syscall.EACCES):
		advice = "a port below 1024 needs CAP_NET_BIND_SERVICE; a socket needs a writable directory"
	default:
		return err
	}
	errno, _ := errors.AsType[syscall.Errno](err)
	explained := fmt.Errorf("%w: %s", errno, advice)
	if errors.Is(err, syscall.EACCES) {
		return &settings.UsageError{Err: explained}
	}
	return explained
}

// removeStale removes a socket file if it refuses connections, because the process that
// listened there has died.
func removeStale(ctx context.Context, path string) error {
	if err := checkSocketFile(path); err != nil {
		return err
	}
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		return errors.Join(errors.New("another process is listening there"), conn.Close())
	case !errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("check whether another process is listening there: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// addressOf returns the address that l listens on, in the form of the flag.
func addressOf(l net.Listener) string {
	if l.Addr().Network() == "unix" {
		return settings.UnixScheme + l.Addr().String()
	}
	return l.Addr().String()
}

// announce prints a line for each listener, for people and for scripts.
func announce(w io.Writer, listeners []net.Listener) {
	for _, l := range listeners {
		fmt.Fprintf(w, "listening on %s\n", addressOf(l))
	}
}

// isLoopback reports whether only this host can reach the address.
func isLoopback(address net.Addr) bool {
	if address.Network() == "unix" {
		return true
	}
	ip, err := netip.ParseAddrPort(address.String())
	return err == nil && ip.Addr().Unmap().IsLoopback()
}
