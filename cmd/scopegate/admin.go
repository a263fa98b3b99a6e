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

// adminFlags say who sees what the server does.
//
//nolint:lll // a struct tag can't be broken
type adminFlags struct {
	Listen string   `name:"admin-listen" group:"Admin" default:"auto" placeholder:"ADDRESS" env:"SCOPEGATE_ADMIN_LISTEN" help:"Where metrics, health, profiles and the page are served over HTTP: host:port or unix:///path. auto: 127.0.0.1:6060, or nowhere if that is taken. none: nowhere."`
	Hosts  []string `name:"admin-host" group:"Admin" placeholder:"NAME" env:"SCOPEGATE_ADMIN_HOST" help:"Name by which the admin address may be asked for, beside loopback names and IP addresses. Repeat it, or separate by commas, for several."`
	Open   bool     `name:"admin-open" group:"Admin" env:"SCOPEGATE_ADMIN_OPEN" help:"Show page and profiles to other hosts too, where the admin address can be reached by them. Otherwise they get metrics and health alone. There are no passwords."`
}

const (
	adminAuto    = "auto"
	adminNone    = "none"
	adminDefault = "127.0.0.1:6060"
)

// addresses are those that are to be listened on, whatever else is.
func (f *adminFlags) addresses(all settings.List) []listenAddress {
	switch f.Listen {
	case "", adminNone, adminAuto:
		return nil
	}
	return listenAddresses(all.Find("admin-listen").Place(), f.Listen)
}

// checkHosts returns a [*settings.UsageError] where no request can ask by a name.
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

// listen returns what the flags say to listen on; nil: nothing.
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
			shown = "all that it shows, profiles included"
		}
		logger.WarnContext(ctx, "the admin port can be reached by other hosts, without a password",
			"address", addressOf(l), "they_see", shown)
	}
	return l, nil
}

// listenIfFree listens on an address that nobody has asked for, so that it is no
// failure if another server has it: then it returns nil.
func listenIfFree(ctx context.Context, address string, logger *slog.Logger) (net.Listener, error) {
	l, err := listen(ctx, address)
	if errors.Is(err, syscall.EADDRINUSE) {
		logger.WarnContext(ctx, "there is no admin port, as its default address is taken: give another with --admin-listen",
			"address", address)
		return nil, nil //nolint:nilnil // no listener is an answer
	}
	return l, err
}

// newRegistry returns a registry of what the process itself can tell.
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

// start serves what the flags say, beside the server, until the function returned is
// called, which may be when the server has stopped.
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
