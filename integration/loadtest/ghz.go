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

	"github.com/scopegate/scopegate/integration/internal/load"
)

const method = "symdb.v1.SymbolDatabaseService/UploadScopes"

// report is a part of ghz's report.
type report struct {
	Total   time.Duration `json:"total"`
	Details []struct {
		Latency time.Duration `json:"latency"`
	} `json:"details"`
	ErrorDistribution map[string]int `json:"errorDistribution"`
}

// runGHZ makes a scenario's uploads with ghz. Each call sends all messages of the file,
// with the interval between them, and then half-closes.
func runGHZ(ctx context.Context, p programs, s scenario, sent load.Payload, address string) (load.Outcome, error) {
	requests, out := filepath.Join(p.dir, "requests"), filepath.Join(p.dir, "ghz.json")
	write, data := sent.WriteFile, "--binary-file"
	if s.fromJSON {
		write, data = sent.WriteJSONFile, "--data-file"
	}
	if err := write(requests); err != nil {
		return load.Outcome{}, fmt.Errorf("write requests: %w", err)
	}
	cmd := exec.CommandContext(ctx, p.ghz, // #nosec G204 -- named by the caller
		"--insecure", "--proto", filepath.Join(p.proto, "symdb/v1/symbol_database_service.proto"), "--import-paths", p.proto,
		"--call", method, data, requests, "--disable-template-functions", "--disable-template-data",
		"--total", strconv.Itoa(s.uploads), "--concurrency", strconv.Itoa(s.atOnce),
		"--connections", strconv.Itoa(s.connections), "--stream-interval", s.interval.String(),
		"--timeout", load.UploadTimeout.String(), "--format", "json", "--output", out, address)
	if text, err := cmd.CombinedOutput(); err != nil {
		return load.Outcome{}, fmt.Errorf("ghz: %w: %s", err, text)
	}
	content, err := os.ReadFile(out)
	if err != nil {
		return load.Outcome{}, fmt.Errorf("ghz: %w", err)
	}
	var r report
	if err := json.Unmarshal(content, &r); err != nil {
		return load.Outcome{}, fmt.Errorf("ghz: read report: %w", err)
	}
	seen := load.Outcome{Took: r.Total, Failures: r.ErrorDistribution}
	for _, detail := range r.Details {
		seen.Latencies = append(seen.Latencies, detail.Latency)
	}
	return seen, nil
}
