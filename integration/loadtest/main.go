// Command loadtest loads a server with uploads of real symbols, over the loopback
// interface, and prints the results as a table: `make loadtest`, docs/benchmarks-load.md.
// Start at main, then run.go. To compare only encoders, without gRPC and HTTP, use
// server/internal/bench.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"regexp"
	"syscall"

	"github.com/scopegate/scopegate/integration/internal/load"
)

// programs are the paths that a load test uses.
type programs struct {
	server, baseline, ghz string
	binary                string // the Go program whose symbols are uploaded
	proto                 string // the directory of the proto files, for ghz
	dir                   string // for requests, ghz's reports and the servers' logs
	logger                *slog.Logger
}

var errLost = errors.New("the intake does not have exactly what was sent")

func main() {
	p := programs{logger: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	flag.StringVar(&p.server, "server", "bin/scopegate", "the server's program")
	flag.StringVar(&p.baseline, "baseline", "", "the baseline server's program; empty: only ours is run")
	flag.StringVar(&p.ghz, "ghz", ".tmp/bin/ghz", "ghz's program")
	flag.StringVar(&p.binary, "binary", ".tmp/loadtest/go", "the Go program whose symbols are uploaded")
	flag.StringVar(&p.proto, "proto", "proto", "the directory of the proto files")
	flag.StringVar(&p.dir, "dir", ".tmp/loadtest", "directory for requests, reports and logs")
	only := flag.String("scenarios", "", "a regular expression: run only the scenarios whose name it matches")
	plot := flag.String("plot", "", "file for a plot of the ratios to the baseline, as SVG; empty: no plot")
	rounds := flag.Int("rounds", 1, "how often each scenario is run; the table has the medians")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, p, *only, *rounds, *plot); err != nil {
		fmt.Fprintln(os.Stderr, "loadtest:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, p programs, only string, rounds int, plot string) error {
	wanted, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("scenarios: %w", err)
	}
	if err := os.MkdirAll(p.dir, 0o750); err != nil {
		return err
	}
	symbols, err := load.ReadSymbols(ctx, p.binary)
	if err != nil {
		return fmt.Errorf("read %s: %w", p.binary, err)
	}
	servers := []target{{Server: load.Server{Name: "scopegate", Program: p.server, Args: []string{"serve"}}}}
	if p.baseline != "" {
		servers = append(servers, target{Server: load.Server{Name: "baseline", Program: p.baseline}, escapes: true})
	}
	var t table
	var lost bool
	for _, s := range scenarios() {
		if !wanted.MatchString(s.name) {
			continue
		}
		payload, err := s.payload(symbols)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		loaded := servers
		if s.alone {
			loaded = servers[:1]
		}
		// The servers take turns, so that other load on the machine affects both.
		results := make([][]result, len(loaded))
		for range rounds {
			for i, server := range loaded {
				r, err := runScenario(ctx, p, s, server, payload)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", s.name, server.Name, err)
				}
				lost = lost || r.missing != 0
				results[i] = append(results[i], r)
			}
		}
		t.add(s, loaded, payload, results)
	}
	t.print(os.Stdout)
	if plot != "" && len(t.ratios) > 0 {
		if err := os.WriteFile(plot, drawPlot(t.ratios), 0o600); err != nil {
			return err
		}
	}
	if lost {
		return errLost
	}
	return nil
}
