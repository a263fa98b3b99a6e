package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/compare"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/payload"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
)

//nolint:lll // a struct tag can't be broken
type compareCommand struct {
	A string `arg:"" name:"a" help:"The expected upload: a file, a directory of batches, the URL of an upload in an intake, or an upload ID."`
	B string `arg:"" name:"b" help:"The upload to compare with it."`

	Intake string `default:"http://127.0.0.1:8126" placeholder:"URL" env:"SCOPEGATE_COMPARE_INTAKE" help:"URL of a running scopegate intake to look up upload IDs in."`
	Limit  int    `default:"100" placeholder:"N" help:"How many differences to list; all are counted. 0: list all."`
	JSON   bool   `name:"json" help:"Print the result as a JSON object."`
}

// Help returns the text between the first line of the command's help and its flags.
func (compareCommand) Help() string {
	return `It lists the scopes and symbols of upload A that are missing in B, those that B adds, and the keys that differ.
An upload is

    a file       scopes as NDJSON, or the envelope of a batch; it may be gzipped
    a directory  such files (.json, .ndjson, .jsonl, or these with .gz): DIR/UPLOAD_ID of scopegate intake --dir
    a URL        an upload in a running scopegate intake
    an ID        the same, in the intake at --intake

    scopegate compare captured.json.gz http://127.0.0.1:8126/uploads/UPLOAD_ID
    scopegate compare /tmp/batches/UPLOAD_ID_1 /tmp/batches/UPLOAD_ID_2

Only scopes are compared, not the metadata of the uploads. Root scopes are merged by scope_type and name, so it does not
matter how they were divided into batches and parts. These count as absent: null, an empty string, list or object under a
key that is optional, and line 0 of a scope. The order of scopes does not matter; the order of symbols in a scope and of the
elements of other lists does. Scopes with the same keys inside one scope count as a single scope, with the symbols and scopes
of all of them.

Exit code 0: the uploads are equal; 1: they differ; 2: an error.`
}

// Run prints the differences. It returns a *differError if there are any.
func (c *compareCommand) Run(ctx context.Context, s *surroundings) error {
	report, err := c.compare(ctx)
	if err != nil {
		return &compareError{err}
	}
	if c.JSON {
		err = printReportJSON(s.stdout, report)
	} else {
		err = printReport(s.stdout, report)
	}
	if err != nil {
		return &compareError{err}
	}
	if !report.Equal() {
		return &differError{report}
	}
	return nil
}

func (c *compareCommand) compare(ctx context.Context) (compare.Report, error) {
	var uploads [2]compare.Upload
	for i, name := range []string{c.A, c.B} {
		scopes, err := payload.Find(ctx, name, c.Intake)
		if err != nil {
			return compare.Report{}, err
		}
		uploads[i] = compare.Upload{Name: "AB"[i : i+1], Scopes: scopes}
	}
	return compare.Uploads(uploads[0], uploads[1], compare.Options{Limit: c.Limit})
}

func printReport(w io.Writer, report compare.Report) error {
	var text []byte
	for i := range report.Differences {
		text = fmt.Appendln(text, &report.Differences[i])
	}
	if more := report.Count() - len(report.Differences); more > 0 {
		text = fmt.Appendf(text, "and %d more\n", more)
	}
	if report.Equal() {
		text = fmt.Appendf(text, "equal: %s, %s\n", settings.FormatCount(int64(report.A.RootCount), "root scope"),
			settings.FormatCount(int64(report.A.SymbolCount), "symbol"))
	}
	_, err := w.Write(text)
	return err
}

func printReportJSON(w io.Writer, report compare.Report) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(struct {
		Equal bool `json:"equal"`
		compare.Report
	}{report.Equal(), report})
}

// differError means that two uploads differ.
type differError struct{ report compare.Report }

func (e *differError) Error() string {
	return fmt.Sprintf("the uploads differ: %d missing, %d added, %s",
		e.report.MissingCount, e.report.AddedCount, settings.FormatCount(int64(e.report.DifferentCount), "different key"))
}

// compareError means that two uploads could not be compared. Its exit code is that of diff(1).
type compareError struct{ err error }

func (e *compareError) Error() string { return e.err.Error() }
func (e *compareError) Unwrap() error { return e.err }
