package adminport

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
	"github.com/scopegate/scopegate/server"
)

const (
	// Limits of the output; --json prints everything.
	shownUploads  = 10
	shownFailures = 5

	maxNameRunes = 32
	maxTextRunes = 160
	// maxProblemRunes is more than a server sends.
	maxProblemRunes = 4096
)

// Print writes a status for people. The address is the port that the status is from.
func Print(w io.Writer, address string, s server.Status) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "server\t%s at %s, up %s since %s: %s\n", name(s.Server.Version), line(address),
		age(s.Taken.Sub(s.Server.Started)), clock(s.Server.Started), headline(s))
	printProblems(table, s)
	printMemory(table, s)
	printIntake(table, s)
	fmt.Fprintf(table, "uploads\t%d in flight; received %s/s, %.0f scopes/s; accepted by the intake %s/s (gzip)\n",
		s.UploadCount, bytes(s.Rates.ReceivedBytesPerSecond), s.Rates.ScopesPerSecond, bytes(s.Rates.AcceptedBytesPerSecond))
	if err := table.Flush(); err != nil {
		return err
	}
	if err := printUploads(w, s); err != nil {
		return err
	}
	return printFailures(w, s)
}

func headline(s server.Status) string {
	if len(s.Problems) == 0 {
		return "all is well"
	}
	return line(s.State)
}

func printProblems(w io.Writer, s server.Status) {
	for _, p := range s.Problems {
		since := ""
		if !p.Since.IsZero() {
			since = " (since " + clock(p.Since) + ")"
		}
		fmt.Fprintf(w, "%s\t%s%s: %s\n", name(p.Severity), line(p.Title), since, clip(p.Text, maxProblemRunes))
	}
}

func printMemory(w io.Writer, s server.Status) {
	m := s.Memory
	text := fmt.Sprintf("%s of %s drawn, peak %s", bytes(m.DrawnBytes), bytes(m.LimitBytes), bytes(m.PeakBytes))
	if m.SpoolLimitBytes > 0 {
		text += fmt.Sprintf("; spool %s of %s", bytes(m.SpoolBytes), bytes(m.SpoolLimitBytes))
	}
	if m.WaitingUploads > 0 {
		text += "; " + settings.FormatCount(int64(m.WaitingUploads), "upload") + " waiting for memory"
	}
	fmt.Fprintf(w, "memory\t%s\n", text)
}

func printIntake(w io.Writer, s server.Status) {
	in := s.Intake
	text := line(in.Host) + ": " + line(in.Condition)
	if l := in.Latency; l.AttemptCount > 0 {
		text += fmt.Sprintf("; answers in %s (median), %s (90th percentile)", seconds(l.MedianSeconds), seconds(l.P90Seconds))
	}
	if !in.RetryAt.IsZero() {
		text += "; next attempt at " + clock(in.RetryAt)
	}
	fmt.Fprintf(w, "intake\t%s\n", text)
}

func printUploads(w io.Writer, s server.Status) error {
	if len(s.Uploads) == 0 {
		return nil
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nSERVICE\tVERSION\tLANGUAGE\tAGE\tSCOPES\tRECEIVED\tHELD\tSTATE")
	shown := s.Uploads[:min(len(s.Uploads), shownUploads)]
	for _, u := range shown {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", name(u.Service), name(u.Version), name(u.Language),
			age(s.Taken.Sub(u.Began)), u.ScopeCount, bytes(u.ReceivedBytes), bytes(u.HeldBytes), line(u.State))
	}
	if more := s.UploadCount - len(shown); more > 0 {
		fmt.Fprintf(table, "and %d more\n", more)
	}
	return table.Flush()
}

// printFailures writes the last attempts and uploads that failed.
func printFailures(w io.Writer, s server.Status) error {
	var lines []string
	for _, f := range s.Intake.Failures[:min(len(s.Intake.Failures), shownFailures)] {
		text := clock(f.At) + "  intake: " + line(f.Outcome)
		if f.HTTPStatus != 0 {
			text += fmt.Sprintf(", HTTP %d", f.HTTPStatus)
		}
		if f.Reason != "" {
			text += ": " + line(f.Reason)
		}
		if f.Count > 1 {
			text += fmt.Sprintf(" (%d times since %s)", f.Count, clock(f.Since))
		}
		lines = append(lines, text)
	}
	failed := 0
	for _, u := range s.Finished {
		if u.Code == "OK" || failed == shownFailures {
			continue
		}
		failed++
		text := clock(u.Ended) + "  upload of " + name(u.Service) + ": " + line(cmp.Or(u.Reason, u.Code))
		if u.Detail != "" {
			text += ": " + line(u.Detail)
		}
		lines = append(lines, text)
	}
	if len(lines) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(w, "\nLAST FAILURES\n%s\n", strings.Join(lines, "\n"))
	return err
}

func bytes[N int64 | float64](n N) string { return settings.FormatBytes(int64(n)) }

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// age returns a duration to the second, and in days and hours if it is long.
func age(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= day {
		return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
	}
	return d.Round(time.Second).String()
}

func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(time.Millisecond).String()
}

// name returns the start of a name that a client has given, or a dash.
func name(s string) string { return cmp.Or(clip(s, maxNameRunes), "-") }

func line(s string) string { return clip(s, maxTextRunes) }

// clip returns the start of a text, without characters that a terminal obeys or that a
// table uses.
func clip(s string, maxRunes int) string {
	runes := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s))
	if len(runes) > maxRunes {
		return string(runes[:maxRunes-1]) + "…"
	}
	return string(runes)
}
