package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
	"github.com/scopegate/scopegate/server"
)

// adminFlags say where the admin port listens, and who may see what there.
//
//nolint:lll // a struct tag can't be broken
type adminFlags struct {
	Listen string   `name:"admin-listen" group:"Admin" default:"auto" placeholder:"ADDRESS" env:"SCOPEGATE_ADMIN_LISTEN" help:"Address for metrics, health, profiles and the admin page over HTTP: host:port or unix:///path. auto: 127.0.0.1:6060, or no admin port if that is taken. none: no admin port."`
	Hosts  []string `name:"admin-host" group:"Admin" placeholder:"NAME" env:"SCOPEGATE_ADMIN_HOST" help:"Host name that requests to the admin port may use, besides localhost and IP addresses. Repeat the flag, or separate names with commas."`
	Open   bool     `name:"admin-open" group:"Admin" env:"SCOPEGATE_ADMIN_OPEN" help:"Also show the admin page and profiles to other hosts that can reach the port. There are no passwords."`
}

const (
	adminAuto    = "auto"
	adminNone    = "none"
	adminDefault = "127.0.0.1:6060"
)

// addresses returns the address that must be listened on; none if the flag leaves it open.
func (f *adminFlags) addresses(all settings.List) []listenAddress {
	switch f.Listen {
	case "", adminNone, adminAuto:
		return nil
	}
	return listenAddresses(all.Find("admin-listen").Place(), f.Listen)
}

// checkHosts returns a [*settings.UsageError] if a name can't be a host's.
func (f *adminFlags) checkHosts(all settings.List) error {
	for _, given := range f.Hosts {
		host := given
		if name, _, err := net.SplitHostPort(given); err == nil {
			host = name
		}
		if !settings.IsHost(host) {
			return &settings.UsageError{Err: fmt.Errorf("%s: %q is not a host name", all.Find("admin-host").Place(), given)}
		}
	}
	return nil
}

// listen returns the listener of the admin port, or nil if there is to be none.
func (f *adminFlags) listen(ctx context.Context, logger *slog.Logger) (net.Listener, error) {
	switch f.Listen {
	case "", adminNone:
		return nil, nil //nolint:nilnil // no listener is a choice
	case adminAuto:
		return listenIfFree(ctx, adminDefault, logger)
	}
	l, err := listen(ctx, f.Listen)
	if err != nil {
		return nil, fmt.Errorf("admin address: %w", err)
	}
	if !isLoopback(l.Addr()) {
		shown := "metrics and health"
		if f.Open {
			shown = "everything, including profiles"
		}
		logger.WarnContext(ctx, "other hosts can reach the admin port without a password",
			"address", addressOf(l), "they_see", shown)
	}
	return l, nil
}

// listenIfFree listens on a default address. It returns nil if the address is in use, which
// is not an error, because the user did not ask for it.
func listenIfFree(ctx context.Context, address string, logger *slog.Logger) (net.Listener, error) {
	l, err := listen(ctx, address)
	if errors.Is(err, syscall.EADDRINUSE) {
		logger.WarnContext(ctx, "no admin port: default address in use; set --admin-listen to another one",
			"address", address)
		return nil, nil //nolint:nilnil // no listener is an answer
	}
	return l, err
}

// newRegistry returns a registry with the metrics of the process itself.
func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	built := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "scopegate_build_info", Help: "1; the labels say what is running.",
		ConstLabels: prometheus.Labels{"version": thisBuild().version, "go_version": runtime.Version()},
	})
	built.Set(1)
	r.MustRegister(built, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// start serves the admin port until stop is called, which may be after the server has
// stopped.
func (f *adminFlags) start(
	ctx context.Context, srv *server.Server, metrics prometheus.Gatherer, logger *slog.Logger,
) (stop func(), err error) {
	l, err := f.listen(ctx, logger)
	if l == nil || err != nil {
		return func() {}, err
	}
	logger.InfoContext(ctx, "admin port", "address", addressOf(l))
	return srv.ServeAdmin(ctx, l, server.AdminConfig{Metrics: metrics, Hosts: f.Hosts, Open: f.Open}), nil
}
