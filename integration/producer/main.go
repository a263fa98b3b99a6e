// Command producer measures what an upload costs the process that makes it: `make
// bench-producer`. It runs `scopegate upload` on some binaries, against a server in its own
// process, beside a program that holds all scopes, and prints a table. It fails if a bound
// does not hold.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/scopegate/scopegate/client/clienttest"
	"github.com/scopegate/scopegate/server"
)

// settings are the command's flags.
type settings struct {
	command, base         string
	rounds                int
	maxHeap, maxAnonymous float64
	hold                  string
}

func main() {
	var s settings
	flag.StringVar(&s.command, "scopegate", "bin/scopegate", "the command that uploads")
	flag.StringVar(&s.base, "base", "", "the command of another commit, to compare with")
	flag.IntVar(&s.rounds, "rounds", 5, "how often each upload is measured")
	flag.Float64Var(&s.maxHeap, "max-heap", 0, "fail if the command's heap exceeds this, in MiB; 0: no limit")
	flag.Float64Var(&s.maxAnonymous, "max-anonymous", 0,
		"fail if the command's anonymous memory, less an idle one's, exceeds this, in MiB; 0: no limit")
	flag.StringVar(&s.hold, "hold", "", "instead, hold all scopes of the binary and upload them to this server")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := s.run(ctx, flag.Args())
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "producer:", err)
		os.Exit(1)
	}
}

func (s *settings) run(ctx context.Context, binaries []string) error {
	if len(binaries) == 0 {
		return errors.New("no binaries named")
	}
	if s.hold != "" {
		return holdAll(ctx, s.hold, binaries[0])
	}
	intake := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the server reports what fails
		w.WriteHeader(http.StatusAccepted)
	}))
	defer intake.Close()
	toIntake := func(c *server.Config) { c.Intake.URL = intake.URL }
	receiver, err := clienttest.Start(toIntake) //nolint:contextcheck // it is stopped by Close
	if err != nil {
		return fmt.Errorf("start server: %w", err)
	}
	defer receiver.Close()
	own, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	upload := func(command string) func(string) []string {
		return func(binary string) []string {
			return []string{command, "upload", "--quiet", "--server", receiver.Addr(), binary}
		}
	}
	ways := []way{
		{"all held", func(binary string) []string { return []string{own, "-hold", receiver.Addr(), binary} }},
		{"`scopegate upload`", upload(s.command)},
	}
	if s.base != "" {
		ways = slices.Insert(ways, 0, way{"base", upload(s.base)})
	}
	idle, err := idleAnonymous(ctx, s.command)
	if err != nil {
		return err
	}
	fmt.Println("| binary | way | heap, MiB | anonymous memory over idle, MiB | time, s | relative | CPU, s | relative |")
	fmt.Println("|---|---|---:|---:|---:|---:|---:|---:|")
	var broken []error
	for _, binary := range binaries {
		results, err := s.measure(ctx, binary, ways)
		if err != nil {
			return err
		}
		for i, w := range ways {
			r := results[i]
			fmt.Printf("| %s | %s | %.0f | %.1f | %.2f | %.2f | %.2f | %.2f |\n", filepath.Base(binary), w.name,
				slices.Max(r.heap), slices.Max(r.anonymous)-idle, median(r.seconds), relative(r.seconds, results[0].seconds),
				median(r.cpu), relative(r.cpu, results[0].cpu))
		}
		// A collector without a processor keeps garbage, so that one round may take more.
		last := results[len(results)-1]
		broken = append(broken,
			bound(filepath.Base(binary), "heap", median(last.heap), s.maxHeap),
			bound(filepath.Base(binary), "anonymous memory over idle", median(last.anonymous)-idle, s.maxAnonymous))
	}
	return errors.Join(broken...)
}

// way is a way to upload a binary: the command line for it.
type way struct {
	name string
	args func(binary string) []string
}

// result is the cost of each upload of a binary: the peaks of the heap and of anonymous
// memory, in MiB, and time and processor time, in seconds.
type result struct {
	heap, anonymous, seconds, cpu []float64
}

// measure uploads a binary by each way in turn, several times.
func (s *settings) measure(ctx context.Context, binary string, ways []way) ([]result, error) {
	results := make([]result, len(ways))
	for range s.rounds {
		for i, w := range ways {
			began := time.Now()
			one, err := run(ctx, w.args(binary))
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", w.name, binary, err)
			}
			r := &results[i]
			r.heap, r.anonymous = append(r.heap, one.heap), append(r.anonymous, one.anonymous)
			r.seconds, r.cpu = append(r.seconds, time.Since(began).Seconds()), append(r.cpu, one.cpu.Seconds())
		}
	}
	return results, nil
}

// bound returns an error if a value is above its bound.
func bound(binary, name string, value, most float64) error {
	if most > 0 && value > most {
		return fmt.Errorf("%s: %s of %.1f MiB, more than %.1f", binary, name, value, most)
	}
	return nil
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// relative returns the median of the quotients of values measured one after the other.
func relative(values, to []float64) float64 {
	quotients := make([]float64, len(values))
	for i := range values {
		quotients[i] = values[i] / to[i]
	}
	return median(quotients)
}
