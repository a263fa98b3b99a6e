package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

const (
	method = "symdb.v1.SymbolDatabaseService/UploadScopes"
	// uploadTimeout is far above what any upload takes.
	uploadTimeout = 2 * time.Minute
)

// load is what clients saw.
type load struct {
	took time.Duration
	// latencies are those of all uploads, from opening to the answer.
	latencies []time.Duration
	// failures are the statuses other than OK, by their text.
	failures map[string]int
}

// report is the part of ghz's report that is read.
type report struct {
	Total   time.Duration `json:"total"`
	Details []struct {
		Latency time.Duration `json:"latency"`
	} `json:"details"`
	ErrorDistribution map[string]int `json:"errorDistribution"`
}

// runGHZ has ghz make a scenario's uploads. It sends all messages of the file in
// each call, with the pause between them, and then half-closes.
func runGHZ(ctx context.Context, p programs, s scenario, sent payload, address string) (load, error) {
	out := filepath.Join(p.dir, "ghz.json")
	cmd := exec.CommandContext(ctx, p.ghz, // #nosec G204 -- named by the caller
		"--insecure", "--proto", filepath.Join(p.proto, "symdb/v1/symbol_database_service.proto"), "--import-paths", p.proto,
		"--call", method, "--binary-file", sent.path, "--disable-template-functions", "--disable-template-data",
		"--total", strconv.Itoa(s.uploads), "--concurrency", strconv.Itoa(s.atOnce),
		"--connections", strconv.Itoa(s.connections), "--stream-interval", s.interval.String(),
		"--timeout", uploadTimeout.String(), "--format", "json", "--output", out, address)
	if text, err := cmd.CombinedOutput(); err != nil {
		return load{}, fmt.Errorf("ghz: %w: %s", err, text)
	}
	content, err := os.ReadFile(out)
	if err != nil {
		return load{}, fmt.Errorf("ghz: %w", err)
	}
	var r report
	if err := json.Unmarshal(content, &r); err != nil {
		return load{}, fmt.Errorf("ghz: read report: %w", err)
	}
	l := load{took: r.Total, failures: r.ErrorDistribution}
	for _, detail := range r.Details {
		l.latencies = append(l.latencies, detail.Latency)
	}
	return l, nil
}
