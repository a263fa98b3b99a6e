package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/scopegate/scopegate/client"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// uploadReport is what is said of an upload. Its JSON is for scripts: keys are
// added, and keep their meaning.
type uploadReport struct {
	UploadID        string         `json:"upload_id"`
	Service         string         `json:"service,omitempty"`
	Env             string         `json:"env,omitempty"`
	Version         string         `json:"version,omitempty"`
	Language        string         `json:"language,omitempty"`
	ScopeCount      int64          `json:"scope_count,omitempty"`
	BatchCount      int32          `json:"batch_count,omitempty"`
	RawBytes        int64          `json:"raw_bytes,omitempty"`
	CompressedBytes int64          `json:"compressed_bytes,omitempty"`
	DurationSeconds float64        `json:"duration_seconds,omitempty"`
	Error           *uploadFailure `json:"error,omitempty"`
}

type uploadFailure struct {
	Message string `json:"message"`
	// ExitCode is that of the command.
	ExitCode int `json:"exit_code"`
	// Retryable tells that the same upload may succeed later.
	Retryable bool `json:"retryable"`
	// GRPCCode, Reason and Fields are the server's, IntakeStatus the intake's.
	GRPCCode     string         `json:"grpc_code,omitempty"`
	Reason       string         `json:"reason,omitempty"`
	Fields       []invalidField `json:"fields,omitempty"`
	IntakeStatus int32          `json:"intake_http_status,omitempty"`
}

type invalidField struct {
	Path        string `json:"path"`
	Description string `json:"description"`
}

func (r *uploadReport) describe(metadata *symdbv1.UploadMetadata) {
	r.Service = metadata.GetService()
	r.Env = metadata.GetEnv()
	r.Version = metadata.GetVersion()
	r.Language = metadata.GetLanguage()
}

func (r *uploadReport) summarize(summary *symdbv1.UploadScopesResponse, duration time.Duration) {
	r.UploadID = summary.GetUploadId() // another one, where the upload was begun anew
	r.ScopeCount = summary.GetScopeCount()
	r.BatchCount = summary.GetBatchCount()
	r.RawBytes = summary.GetRawBytes()
	r.CompressedBytes = summary.GetCompressedBytes()
	r.DurationSeconds = duration.Seconds()
}

func (r *uploadReport) print(w io.Writer) {
	fmt.Fprintf(w, "uploaded %s: %s in %s, %s of JSON as %s of gzip, in %.1f s\nupload id %s\n",
		strings.TrimSpace(r.Service+" "+r.Version), count(r.ScopeCount, "scope"), count(int64(r.BatchCount), "batch"),
		settings.FormatBytes(r.RawBytes), settings.FormatBytes(r.CompressedBytes), r.DurationSeconds, r.UploadID)
}

func (r *uploadReport) printJSON(ctx context.Context, w io.Writer, err error) error {
	if err != nil {
		r.Error = describeFailure(ctx, err)
	}
	if err := json.NewEncoder(w).Encode(r); err != nil {
		return fmt.Errorf("print the summary: %w", err)
	}
	return nil
}

func describeFailure(ctx context.Context, err error) *uploadFailure {
	code := exitCode(ctx, err)
	failure := &uploadFailure{Message: err.Error(), ExitCode: code, Retryable: code == exitDelivery}
	if status, ok := errors.AsType[*client.Error](err); ok {
		failure.GRPCCode = status.Code().String()
		failure.Reason = status.Reason()
		failure.IntakeStatus = status.IntakeFailure().GetHttpStatus()
		for _, violation := range status.FieldViolations() {
			failure.Fields = append(failure.Fields,
				invalidField{Path: violation.GetField(), Description: violation.GetDescription()})
		}
	}
	return failure
}

// count is a number with its noun, which takes "s", or "es" after "ch".
func count(n int64, noun string) string {
	switch {
	case n == 1:
	case noun[len(noun)-2:] == "ch":
		noun += "es"
	default:
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
