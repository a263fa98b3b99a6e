package transcode_test

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/scopegate/scopegate/server/internal/transcode"
)

func TestFaults(t *testing.T) {
	t.Parallel()
	s := text(1, "s")
	symbol := message(9, text(1, "n"), text(3, "arg"))
	cut := func(b []byte) []byte { return b[:len(b)-1] }
	many := func(entry func(key string) []byte) []byte {
		var all []byte
		for i := range 1025 {
			all = append(all, entry(strconv.Itoa(i))...)
		}
		return all
	}
	truth := number(4, 1)
	tests := map[string]struct {
		wire  []byte
		fault transcode.Fault
		field string
	}{
		"nothing at all":              {nil, transcode.Missing, "scope_type"},
		"scope_type left out":         {text(2, "name"), transcode.Missing, "scope_type"},
		"scope_type empty":            {text(1, ""), transcode.Missing, "scope_type"},
		"scope_type emptied":          {cat(s, text(1, "")), transcode.Missing, "scope_type"},
		"scope_type of other type":    {number(1, 1), transcode.Missing, "scope_type"},
		"symbol without name":         {cat(s, symbol, symbol, message(9, text(3, "arg"))), transcode.Missing, "symbols[2].name"},
		"symbol without symbol_type":  {cat(s, message(9, text(1, ""))), transcode.Missing, "symbols[0].symbol_type"},
		"symbol of nothing":           {cat(s, message(9)), transcode.Missing, "symbols[0].name"},
		"child without scope_type":    {cat(s, message(10, s), message(10, text(2, "x"))), transcode.Missing, "scopes[1].scope_type"},
		"grandchild, fields shuffled": {cat(message(10, message(10, s), symbol, message(10)), s), transcode.Missing, "scopes[0].scopes[1].scope_type"},

		"tag cut":                  {cat(s, []byte{0x80}), transcode.Malformed, ""},
		"tag too long":             {cat(s, []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0}), transcode.Malformed, ""},
		"field number 0":           {cat(s, []byte{0, 1}), transcode.Malformed, ""},
		"field number 0, bytes":    {cat(s, []byte{0<<3 | 2, 0}), transcode.Malformed, ""},
		"field number above 2^29":  {cat(s, protowire.AppendVarint(nil, 1<<32), []byte{0}), transcode.Malformed, ""},
		"known number plus 2^32":   {cat(s, protowire.AppendVarint(nil, 1<<35|1<<3|2), []byte{0}), transcode.Malformed, ""},
		"wire type 6":              {cat(s, []byte{1<<3 | 6}), transcode.Malformed, ""},
		"wire type 7":              {cat(s, []byte{20<<3 | 7, 0xa1, 1, 0}), transcode.Malformed, ""},
		"group not ended":          {cat(s, cut(group(11, s))), transcode.Malformed, ""},
		"group ended by another":   {cat(s, []byte{11<<3 | 3, 12<<3 | 4}), transcode.Malformed, ""},
		"group ended only":         {cat(s, []byte{11<<3 | 4}), transcode.Malformed, ""},
		"unknown field cut":        {cat(s, cut(text(11, "x"))), transcode.Malformed, ""},
		"string cut":               {cut(s), transcode.Malformed, "scope_type"},
		"length without bytes":     {cat(s, []byte{2<<3 | 2, 5}), transcode.Malformed, "name"},
		"length beyond 64 bits":    {cat(s, []byte{2<<3 | 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}), transcode.Malformed, "name"},
		"length missing":           {cat(s, []byte{2<<3 | 2}), transcode.Malformed, "name"},
		"number cut":               {cat(s, []byte{4 << 3, 0x80}), transcode.Malformed, "start_line"},
		"number of eleven bytes":   {cat(s, []byte{4 << 3, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0}), transcode.Malformed, "start_line"},
		"number above 64 bits":     {cat(s, []byte{4 << 3, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2}), transcode.Malformed, "start_line"},
		"bool cut":                 {cat(s, []byte{6 << 3}), transcode.Malformed, "has_injectible_lines"},
		"message cut":              {cat(s, cut(symbol)), transcode.Malformed, "symbols[0]"},
		"message shorter inside":   {cat(s, symbol, message(9, []byte{1<<3 | 2, 9})), transcode.Malformed, "symbols[1].name"},
		"range in a symbol's list": {cat(s, message(9, text(1, "n"), text(3, "a"), message(5, message(3), message(3, []byte{1 << 3})))), transcode.Malformed, "symbols[0].language_specifics.available_line_ranges[1].start"},
		"map entry cut":            {specifics([]byte{0xa2, 6, 9}), transcode.Malformed, "additional"},
		"map key cut":              {specifics(message(100, cut(text(1, "k")))), transcode.Malformed, "additional"},
		"map value cut":            {specifics(message(100, text(1, "k"), []byte{2<<3 | 2, 1})), transcode.Malformed, "additional"},
		"field 0 in map entry":     {specifics(message(100, text(1, "k"), []byte{0, 0})), transcode.Malformed, "additional"},
		"number of value cut":      {specifics(additional("k", cut(double(2, 1)))), transcode.Malformed, `additional["k"]`},
		"bool of value cut":        {specifics(additional("k", []byte{4 << 3})), transcode.Malformed, `additional["k"]`},
		"field 0 in value":         {specifics(additional("k", truth, []byte{0, 0})), transcode.Malformed, `additional["k"]`},
		"list of value cut":        {specifics(additional("k", message(6, message(1, truth), []byte{1<<3 | 2, 1}))), transcode.Malformed, `additional["k"]`},
		"field 0 in list":          {specifics(additional("k", message(6, []byte{0, 0}))), transcode.Malformed, `additional["k"]`},
		"tag cut in list":          {specifics(additional("k", message(6, []byte{0x80}))), transcode.Malformed, `additional["k"]`},

		"scope_type":                 {text(1, "\xff"), transcode.InvalidUTF8, "scope_type"},
		"name, surrogate":            {cat(s, text(2, "\xed\xa0\x80")), transcode.InvalidUTF8, "name"},
		"name, overlong":             {cat(s, text(2, "\xc0\x80")), transcode.InvalidUTF8, "name"},
		"overwritten by a valid one": {cat(text(1, "\xff"), s), transcode.InvalidUTF8, "scope_type"},
		"list of strings":            {specifics(text(4, "a"), text(5, "x"), text(4, "b"), text(4, "\x80")), transcode.InvalidUTF8, "access_modifiers[2]"},
		"map key":                    {specifics(additional("\xff", truth)), transcode.InvalidUTF8, "additional"},
		"map value":                  {specifics(additional("k", text(3, "\xff"))), transcode.InvalidUTF8, `additional["k"]`},
		"key in a struct": {
			specifics(additional("k", message(5, message(1, text(1, "\xff"), message(2, truth))))),
			transcode.InvalidUTF8, `additional["k"]`,
		},
		"deep in a value": {
			specifics(additional("k", message(6, message(1, truth), message(1, message(5, message(1, text(1, "in\n"), message(2, text(3, "\xff")))))))),
			transcode.InvalidUTF8, `additional["k"][1]["in\n"]`,
		},

		"specifics twice":             {cat(s, message(8), message(8)), transcode.Repeated, "language_specifics"},
		"specifics twice, apart":      {cat(message(8), s, symbol, message(8)), transcode.Repeated, "language_specifics"},
		"specifics twice in a symbol": {cat(s, symbol, message(9, text(1, "n"), text(3, "a"), message(5), message(5))), transcode.Repeated, "symbols[1].language_specifics"},
		"value twice in an entry":     {specifics(message(100, text(1, "k"), message(2, truth), message(2, truth))), transcode.Repeated, `additional["k"]`},
		"list twice in a value":       {specifics(additional("k", message(6), truth, message(6))), transcode.Repeated, `additional["k"]`},
		"struct twice in a value":     {specifics(additional("k", message(5), message(5))), transcode.Repeated, `additional["k"]`},

		"entry without value":   {specifics(message(100, text(1, "k"))), transcode.Missing, `additional["k"]`},
		"entry of nothing":      {specifics(message(100)), transcode.Missing, `additional[""]`},
		"value of nothing":      {specifics(additional("k")), transcode.Missing, `additional["k"]`},
		"value of unknown kind": {specifics(additional("k", number(7, 1))), transcode.Missing, `additional["k"]`},
		"item of nothing":       {specifics(additional("k", message(6, message(1, truth), message(1)))), transcode.Missing, `additional["k"][1]`},
		"field of nothing":      {specifics(additional("k", message(5, message(1, text(1, "in"))))), transcode.Missing, `additional["k"]["in"]`},

		"NaN":               {specifics(additional("k", double(2, math.NaN()))), transcode.NotANumber, `additional["k"]`},
		"infinite":          {specifics(additional("k", double(2, math.Inf(1)))), transcode.NotANumber, `additional["k"]`},
		"minus infinite":    {specifics(additional("k", message(6, message(1, double(2, math.Inf(-1)))))), transcode.NotANumber, `additional["k"][0]`},
		"NaN, overwritten":  {specifics(additional("k", double(2, math.NaN()), truth)), transcode.NotANumber, `additional["k"]`},
		"too many keys":     {specifics(many(func(key string) []byte { return additional(key, truth) })), transcode.TooMany, "additional"},
		"too many, one key": {specifics(many(func(string) []byte { return additional("k", truth) })), transcode.TooMany, "additional"},
		"too many in a struct": {
			specifics(additional("k", message(5, many(func(key string) []byte { return message(1, text(1, key), message(2, truth)) })))),
			transcode.TooMany, `additional["k"]`,
		},
		"long key is cut in the path": {
			specifics(additional(strings.Repeat("k", 100))),
			transcode.Missing, `additional["` + strings.Repeat("k", 64) + `"]`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			field := tt.field
			if strings.HasPrefix(field, "additional") {
				field = "language_specifics." + field
			}
			if strings.HasPrefix(field, "access_modifiers") {
				field = "language_specifics." + field
			}
			wantFault(t, tt.wire, maxDepth, tt.fault, field)
			compare(t, tt.wire)
		})
	}
}

func wantFault(t *testing.T, wire []byte, maxDepth int, fault transcode.Fault, field string) {
	t.Helper()
	_, err := plan.Check(wire, maxDepth)
	refusal, ok := errors.AsType[*transcode.Error](err)
	if !ok {
		t.Fatalf("error %v, want %v at %q", err, fault, field)
	}
	if refusal.Fault != fault || refusal.Field != field {
		t.Errorf("%v at %q, want %v at %q", refusal.Fault, refusal.Field, fault, field)
	}
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	tests := map[string]*transcode.Error{
		"malformed protobuf":               {Fault: transcode.Malformed},
		"name: invalid UTF-8":              {Fault: transcode.InvalidUTF8, Field: "name"},
		"scopes[3]: nested too deep":       {Fault: transcode.TooDeep, Field: "scopes[3]"},
		"symbols[0].name: required":        {Fault: transcode.Missing, Field: "symbols[0].name"},
		"a: set more than once":            {Fault: transcode.Repeated, Field: "a"},
		`a["k"]: not a finite number`:      {Fault: transcode.NotANumber, Field: `a["k"]`},
		"a: too many keys":                 {Fault: transcode.TooMany, Field: "a"},
		"invalid":                          {},
		"language_specifics.a[1]: invalid": {Fault: 200, Field: "language_specifics.a[1]"},
	}
	for want, err := range tests {
		if got := err.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// nested returns scopes inside each other, n in all.
func nested(n int, innermost ...[]byte) []byte {
	wire := cat(text(1, "s"), cat(innermost...))
	for range n - 1 {
		wire = cat(text(1, "s"), message(10, wire))
	}
	return wire
}

func TestDepth(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{1, 2, 3, 64, 1000} {
		if _, err := plan.Check(nested(limit), limit); err != nil {
			t.Errorf("%d scopes, limit %d: %v", limit, limit, err)
		}
		path := strings.TrimPrefix(strings.Repeat(".scopes[0]", limit), ".")
		wantFault(t, nested(limit+1), limit, transcode.TooDeep, path)
	}
	wantFault(t, nested(1), 0, transcode.TooDeep, "")
	wantFault(t, nested(1), -1, transcode.TooDeep, "")
	// Each kind of message counts.
	wantFault(t, nested(2, message(7)), 2, transcode.TooDeep, "scopes[0].injectible_lines[0]")
	wantFault(t, nested(1, message(8)), 1, transcode.TooDeep, "language_specifics")
	wantFault(t, nested(1, message(9, text(1, "n"))), 1, transcode.TooDeep, "symbols[0]")
	wantFault(t, specifics(message(3)), 2, transcode.TooDeep, "language_specifics.available_line_ranges[0]")
}

// Values nest as lists and structs do; each of them counts.
func TestValueDepth(t *testing.T) {
	t.Parallel()
	list := func(inner []byte) []byte { return message(6, message(1, inner)) }
	structure := func(inner []byte) []byte { return message(5, message(1, text(1, "k"), message(2, inner))) }
	for name, nest := range map[string]func([]byte) []byte{"list": list, "struct": structure} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			taken := 0
			for n, value := 0, number(4, 1); n < 100; n, value = n+1, nest(value) {
				wire := specifics(additional("k", value))
				if _, err := plan.Check(wire, maxDepth); err == nil {
					taken = n + 1
				} else if refusal, ok := errors.AsType[*transcode.Error](err); !ok || refusal.Fault != transcode.TooDeep {
					t.Fatalf("depth %d: %v, want %v", n, err, transcode.TooDeep)
				}
				compare(t, wire)
			}
			// The scope and its specifics are the first two.
			if taken < maxDepth-3 || taken > maxDepth {
				t.Errorf("values nested up to %d deep are taken with a limit of %d, want at least %v and at most %v", taken, maxDepth, maxDepth-3, maxDepth)
			}
		})
	}
}

// A message must not be longer than protobuf allows. This one is a string that is never read, so it
// takes no memory.
//
//nolint:paralleltest // only one at a time should be this large
func TestTooLong(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector has its own memory for each byte")
	}
	wire := make([]byte, 1<<31)
	copy(wire, tagged(1, protowire.BytesType, protowire.AppendVarint(nil, 1<<31-6)))
	wantFault(t, wire, maxDepth, transcode.Malformed, "")
}

// Input that is deep where it must not cost stack: unknown groups.
func TestDeepGroups(t *testing.T) {
	t.Parallel()
	for _, n := range []int{100, 100_000} {
		wire := text(1, "s")
		for range n {
			wire = append(wire, 11<<3|3)
		}
		for range n {
			wire = append(wire, 11<<3|4)
		}
		compare(t, wire)
	}
}

// What Check refused leaves nothing behind: the next scope is as it was.
func TestCheckLeavesInputAlone(t *testing.T) {
	t.Parallel()
	wire := marshaled(t, readScope(t, "additional"))
	before := string(wire)
	first := transcoded(t, wire)
	if _, err := plan.Check(wire[:len(wire)-1], maxDepth); err == nil {
		t.Fatal("truncated scope accepted")
	}
	if second := transcoded(t, wire); string(first) != string(second) || string(wire) != before {
		t.Error("the same wire bytes were written differently, or changed")
	}
}
