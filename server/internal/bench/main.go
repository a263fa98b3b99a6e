// Command bench compares ways from protobuf scopes to gzipped JSON, in one
// process, on the scopes of real Go programs. `make bench` runs it; docs/benchmarks.md
// has its output and says how to read it.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
)

func main() {
	rounds := flag.Int("rounds", 9, "how often each way is run; the medians count")
	only := flag.String("only", "", "run only ways whose name contains this, and the baseline")
	plot := flag.String("plot", "", "write a plot of speed against size to this SVG file")
	memory := flag.Bool("memory", false, "measure the heap of open uploads and of a large one instead")
	fairness := flag.Bool("fairness", false, "measure the wait for a compressor instead")
	wire := flag.Bool("wire", false, "measure what compression of messages costs and saves instead")
	worst := flag.Bool("worst", false, "measure texts other than scopes instead")
	most := flag.Int("uploads", 5000, "with -memory: the largest number of open uploads")
	profile := flag.String("profile", "", "run the default way alone and write its CPU profile to this file")
	flag.Parse()
	var err error
	switch {
	case *memory:
		err = runMemory(*most, flag.Args())
	case *worst:
		err = measureWorst(*rounds)
	case *wire:
		err = runWire(*rounds, flag.Args())
	case *fairness:
		err = runFairness(flag.Args())
	default:
		err = run(*rounds, *only, *plot, *profile, flag.Args())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(rounds int, only, plot, profile string, binaries []string) error {
	corpora, err := loadCorpora(binaries)
	if err != nil {
		return err
	}
	// One core: the figures are of one, and the garbage that a way makes is
	// collected at its expense.
	runtime.GOMAXPROCS(1)
	ways, err := allWays()
	if err != nil {
		return err
	}
	if profile != "" {
		isDefault := func(w way) bool { return strings.HasSuffix(w.name, "(default)") }
		return profileWay(ways[slices.IndexFunc(ways, isDefault)], corpora, profile)
	}
	ways = slices.DeleteFunc(ways, func(w way) bool {
		return only != "" && w.name != baselineName && !strings.Contains(w.name, only)
	})
	var tables []table
	for _, c := range corpora {
		t, err := measure(c, ways, rounds)
		if err != nil {
			return err
		}
		t.print(os.Stdout)
		tables = append(tables, t)
	}
	if plot == "" {
		return nil
	}
	return os.WriteFile(plot, drawPlot(tables[0]), 0o644) // #nosec G306 -- a document
}

// runMemory measures open uploads with the first binary's functions, and the
// peak with the last one's packages.
func runMemory(most int, binaries []string) error {
	corpora, err := loadCorpora(binaries)
	if err != nil {
		return err
	}
	if err := measureOpen(corpora[len(binaries)], []int{1, 100, most}); err != nil {
		return err
	}
	largest := corpora[len(binaries)-1]
	clear(corpora)
	return measurePeak(largest)
}

func runFairness(binaries []string) error {
	corpora, err := loadCorpora(binaries)
	if err != nil {
		return err
	}
	return measureFairness(corpora[len(binaries)-1], corpora[len(binaries)])
}

func profileWay(w way, corpora []corpus, path string) error {
	file, err := os.Create(path) // #nosec G304 -- named by the caller
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	defer func() { _ = file.Close() }()
	if err := pprof.StartCPUProfile(file); err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	defer pprof.StopCPUProfile()
	fmt.Println("profiling:", w.name)
	for range 10 {
		for _, c := range corpora {
			if _, err := w.run(c); err != nil {
				return err
			}
		}
	}
	return nil
}
