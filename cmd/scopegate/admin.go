package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sync/errgroup"

	"github.com/scopegate/scopegate/server"
)

//nolint:lll // a struct tag can't be broken
type adminFlags struct {
	AdminListen string `group:"Serving" placeholder:"ADDRESS" env:"SCOPEGATE_ADMIN_LISTEN" help:"Where to serve a page that shows what the server does: host:port of a loopback address, or unix:///path. By default nowhere."`
}

// listen returns nil where there is to be no page.
func (f *adminFlags) listen(ctx context.Context) (net.Listener, error) {
	if f.AdminListen == "" {
		return nil, nil //nolint:nilnil // that is how it is left out
	}
	l, err := listen(ctx, f.AdminListen)
	if err != nil {
		return nil, err
	}
	if address, err := netip.ParseAddrPort(l.Addr().String()); err == nil && !address.Addr().IsLoopback() {
		_ = l.Close()
		return nil, &usageError{fmt.Errorf("admin listen on %q: not a loopback address", f.AdminListen)}
	}
	return l, nil
}

// serveWithPage runs serve, and the page beside it for as long.
func serveWithPage(
	ctx context.Context, srv *server.Server, l net.Listener, s *surroundings, serve func(context.Context) error,
) error {
	if l == nil {
		return serve(ctx)
	}
	fmt.Fprintf(s.stdout, "admin page on http://%s/\n", l.Addr())
	pageCtx, stopPage := context.WithCancel(context.WithoutCancel(ctx))
	defer stopPage()
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() error { return serveHTTP(pageCtx, srv.StatusPage(), listeners{l}) })
	both.Go(func() error {
		defer stopPage()
		return serve(ctx)
	})
	return both.Wait()
}
