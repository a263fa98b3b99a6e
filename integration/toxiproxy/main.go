// Command toxiproxy runs toxiproxy for the test bed, as a process. It is a module of its own,
// so that toxiproxy's dependencies stay out of scopegate's. It prints the address of its API,
// and exits when its standard input ends, so that it does not outlive the tests however they
// end.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "toxiproxy:", err)
		os.Exit(1)
	}
}

func run() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it listens as long as the process lives
	if err != nil {
		return err
	}
	fmt.Println("listening on", listener.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	api := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	server := http.Server{Handler: api.Routes(), ReadHeaderTimeout: time.Minute}
	return server.Serve(listener)
}
