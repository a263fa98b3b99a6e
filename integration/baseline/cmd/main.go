// Command cmd serves the baseline, for load tests.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"

	"google.golang.org/grpc"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/baseline"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "host:port to listen on")
	intakeURL := flag.String("intake-url", "", "where batches are posted to")
	flag.Parse()
	if err := run(*listen, *intakeURL); err != nil {
		fmt.Fprintln(os.Stderr, "baseline:", err)
		os.Exit(1)
	}
}

// run serves until a signal, with the default settings of gRPC.
func run(listen, intakeURL string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	if err != nil {
		return err
	}
	srv := grpc.NewServer()
	symdbv1.RegisterSymbolDatabaseServiceServer(srv, baseline.NewService(intakeURL))
	context.AfterFunc(ctx, srv.Stop)
	fmt.Printf("listening on %s\n", listener.Addr())
	return srv.Serve(listener)
}
