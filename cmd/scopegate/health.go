package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/alecthomas/kong"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/adminport"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/uploading"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/internal/localhost"
)

//nolint:lll // a struct tag can't be broken
type healthCommand struct {
	Ask askFlags `embed:""`

	Server   string                  `group:"Server" placeholder:"ADDRESS" env:"SCOPEGATE_HEALTH_SERVER" help:"Ask the server's gRPC port instead, by grpc.health.v1: host:port or unix:///path."`
	Security uploading.SecurityFlags `embed:"" envprefix:"SCOPEGATE_HEALTH_"`
}

// Help returns the text between the first line of the command's help and its flags.
func (healthCommand) Help() string {
	return `For liveness and readiness checks: it asks /readyz of the admin port, which needs neither TLS nor certificates, or
with --server the gRPC port that tracers use. It prints one line.

    scopegate health
    scopegate health --admin unix:///run/scopegate-admin.socket
    scopegate health --server gate.example:50051 --ca ca.pem

It looks neither at the intake nor at memory; scopegate status does.

Exit code 0: the server serves; 1: it is stopping, or has not answered in time; 2: wrong usage.`
}

// Run asks the server, and returns an error unless it serves.
func (c *healthCommand) Run(ctx context.Context, s *surroundings, line *kong.Context, sources *settings.Sources) error {
	all := sources.List(line)
	address := c.Server
	if address != "" {
		if err := c.askServer(ctx, all); err != nil {
			return err
		}
	} else {
		port, err := c.openAdminPort(all)
		if err != nil {
			return err
		}
		ctx, cancel := c.Ask.limit(ctx)
		defer cancel()
		if err := port.Ready(ctx); err != nil {
			return err
		}
		address = port.Address()
	}
	_, err := fmt.Fprintln(s.stdout, "serving at "+address)
	return err
}

func (c *healthCommand) openAdminPort(all settings.List) (*adminport.Port, error) {
	if c.Security != (uploading.SecurityFlags{}) {
		return nil, &settings.UsageError{Err: errors.New("the TLS flags need --server: the admin port has no TLS")}
	}
	return c.Ask.open(all)
}

// askServer asks by gRPC.
func (c *healthCommand) askServer(ctx context.Context, all settings.List) error {
	targets, err := uploading.Targets(all.Find("server").Place(), []string{c.Server})
	if err != nil {
		return err
	}
	options, err := c.dialOptions(targets[0])
	if err != nil {
		return err
	}
	conn, err := grpc.NewClient(targets[0], options...)
	if err != nil {
		return &settings.UsageError{Err: err}
	}
	defer conn.Close()
	ctx, cancel := c.Ask.limit(ctx)
	defer cancel()
	answer, err := healthv1.NewHealthClient(conn).Check(ctx, &healthv1.HealthCheckRequest{
		Service: symdbv1.SymbolDatabaseService_ServiceDesc.ServiceName,
	})
	switch {
	case err != nil:
		return c.explain(ctx, err)
	case answer.GetStatus() != healthv1.HealthCheckResponse_SERVING:
		return fmt.Errorf("the server at %s accepts no uploads: it is stopping", c.Server)
	}
	return nil
}

// dialOptions secure the connection as package client does.
func (c *healthCommand) dialOptions(server string) ([]grpc.DialOption, error) {
	config, err := c.Security.TLSConfig()
	if err != nil {
		return nil, err
	}
	if c.Security.Plaintext || config == nil && localhost.Has(server) {
		return []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}, nil
	}
	options := []grpc.DialOption{grpc.WithTransportCredentials(credentials.NewTLS(config))}
	if name := c.Security.ServerName; name != "" {
		options = append(options, grpc.WithAuthority(name))
	}
	return options, nil
}

// explain describes a gRPC error, and says what to do.
func (c *healthCommand) explain(ctx context.Context, err error) error {
	failure := status.Convert(err)
	switch failure.Code() {
	case codes.Canceled:
		if ctx.Err() != nil { // otherwise the other side has reset the call
			return ctx.Err()
		}
	case codes.DeadlineExceeded:
		return fmt.Errorf("no answer from %s within the --timeout of %v", c.Server, c.Ask.Timeout)
	case codes.NotFound, codes.Unimplemented:
		return fmt.Errorf("the server at %s is not scopegate: see --server", c.Server)
	default:
	}
	explainer := uploading.Explainer{Servers: []string{c.Server}, Security: c.Security}
	return errors.New(explainer.ConnectionFailure(failure.Message()))
}
