package main

import (
	"strings"
	"testing"

	"github.com/scopegate/scopegate/server/textfile"
)

// TestByteOrderMarks gives files with a byte order mark, or in UTF-16, wherever a command
// reads text.
func TestByteOrderMarks(t *testing.T) {
	t.Parallel()
	stack := newStack(t)
	utf16 := func(text string) string {
		var out strings.Builder
		out.WriteString("\xff\xfe")
		for _, c := range []byte(text) {
			out.Write([]byte{c, 0})
		}
		return out.String()
	}
	serve := []string{"serve", "--check"}
	upload := []string{"upload", "--service", "shop", "--language", "ruby", "-q", "--server", stack.server}
	for name, test := range map[string]struct {
		args []string
		text string // of the file that is the last argument
	}{
		"configuration":         {append(serve, "--config"), "max-depth: 5\n"},
		"API key":               {append(serve, "--api-key-file"), "key\r\n"},
		"tenants":               {append(serve, "--tenants-file"), "tenants: [{name: a, certificates: [b]}]"},
		"token":                 {append(upload, file(t, line), "--token-file"), "token\r\n"},
		"NDJSON":                {upload, line},
		"NDJSON, behind blanks": {upload, "\r\n  \n" + line},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := execute(t, "", append(test.args, file(t, textfile.BOM+test.text))...); got.code != exitOK {
				t.Errorf("%+v, want code %v", got, exitOK)
			}
			got := execute(t, "", append(test.args, file(t, utf16(test.text)))...)
			if got.code == exitOK || !strings.Contains(got.stderr, "UTF-16") {
				t.Errorf("%+v, want UTF-16 refused", got)
			}
		})
	}
	for text, code := range map[string]int{textfile.BOM + line: exitOK, utf16(line): exitInput} {
		if got := execute(t, text, append(upload, "-")...); got.code != code {
			t.Errorf("from stdin: %+v, want %v", got, code)
		}
	}
}

// TestNumbersAreDecimal gives numbers in forms that other programs read.
func TestNumbersAreDecimal(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"010": "10", "5": "5", "0009": "9", "+7": "7", "0x10": "", "0o10": "", "0b1": "", "1_0": "", "1e1": "", "1.0": "", "0.5": "", " 5": "", "": "",
		"\u0665": "",
	} {
		for way, got := range map[string]result{
			"flag":     execute(t, "", "serve", "--check", "--log-limit="+text),
			"variable": executeWith(t, variables(map[string]string{"SCOPEGATE_LOG_LIMIT": text}), "", "serve", "--check"),
			"file":     execute(t, "", "serve", "--check", "--config", file(t, "log-limit: '"+text+"'")),
		} {
			switch {
			case way == "variable" && text == "": // it is not set
			case want == "":
				if got.code != exitUsage || !strings.Contains(got.stderr, "is not a decimal integer") {
					t.Errorf("%s %q: %+v, want code %v and %q in it", way, text, got, exitUsage, "is not a decimal integer")
				}
			default:
				if row := got.row(t, "log-limit"); row[0] != want {
					t.Errorf("%s %q: got %s, want %s", way, text, row[0], want)
				}
			}
		}
	}
}
