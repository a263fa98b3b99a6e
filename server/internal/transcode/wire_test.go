package transcode_test

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/transcode/transcodetest"
)

// What follows builds wire bytes by hand, as no encoder would write them.

func cat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func tagged(n protowire.Number, t protowire.Type, value []byte) []byte {
	return append(protowire.AppendTag(nil, n, t), value...)
}

func text(n protowire.Number, s string) []byte {
	return tagged(n, protowire.BytesType, protowire.AppendString(nil, s))
}

func message(n protowire.Number, parts ...[]byte) []byte {
	return tagged(n, protowire.BytesType, protowire.AppendBytes(nil, cat(parts...)))
}

func number(n protowire.Number, v int32) []byte {
	return tagged(n, protowire.VarintType, protowire.AppendVarint(nil, uint64(v)))
}

func double(n protowire.Number, v float64) []byte {
	return tagged(n, protowire.Fixed64Type, protowire.AppendFixed64(nil, math.Float64bits(v)))
}

func group(n protowire.Number, parts ...[]byte) []byte {
	return cat(tagged(n, protowire.StartGroupType, cat(parts...)), protowire.AppendTag(nil, n, protowire.EndGroupType))
}

// additional is an entry of the open map, in LanguageSpecifics.
func additional(key string, value ...[]byte) []byte {
	return message(100, text(1, key), message(2, value...))
}

// specifics is a scope with the language specifics given.
func specifics(parts ...[]byte) []byte { return cat(text(1, "s"), message(8, parts...)) }

// Tags longer than they must be.
var longTag = []byte{1<<3 | 2 | 0x80, 0x80, 0x80, 0}

// TestWireForms has messages that say the same as the ones that encoders write.
func TestWireForms(t *testing.T) {
	t.Parallel()
	const lines = `"start_line":0,"end_line":0`
	tests := map[string]struct {
		wire []byte
		want string
	}{
		"fields in descending order": {
			cat(
				message(10, number(4, 3), text(1, "child")),
				message(9, text(3, "arg"), text(1, "n")),
				number(5, 9), number(4, 8), text(2, "name"), text(1, "s"),
			),
			`{"scope_type":"s","name":"name","start_line":8,"end_line":9,` +
				`"symbols":[{"name":"n","type":null,"symbol_type":"arg"}],` +
				`"scopes":[{"scope_type":"child","start_line":3,"end_line":0}]}`,
		},
		"scalar several times: the last one counts": {
			cat(text(1, "a"), number(4, 1), text(1, "b"), number(4, 2), number(6, 1), number(6, 0), text(1, "c"), number(4, -3)),
			`{"scope_type":"c","start_line":-3,"end_line":0,"has_injectible_lines":false}`,
		},
		"required string emptied, then set": {
			cat(text(1, "a"), text(1, ""), text(1, "b")),
			`{"scope_type":"b",` + lines + `}`,
		},
		"optional string emptied": {
			cat(text(1, "a"), text(2, "name"), text(2, "")),
			`{"scope_type":"a","name":"",` + lines + `}`,
		},
		"lists torn apart keep their order": {
			cat(
				message(9, text(1, "1"), text(3, "x")), message(10, text(1, "A")), text(1, "s"),
				message(9, text(1, "2"), text(3, "x")), message(7, number(1, 1)), message(10, text(1, "B")),
				message(9, text(1, "3"), text(3, "x")), message(7, number(2, 2)),
			),
			`{"scope_type":"s",` + lines + `,"injectible_lines":[{"start":1,"end":0},{"start":0,"end":2}],"symbols":[` +
				`{"name":"1","type":null,"symbol_type":"x"},{"name":"2","type":null,"symbol_type":"x"},` +
				`{"name":"3","type":null,"symbol_type":"x"}],` +
				`"scopes":[{"scope_type":"A",` + lines + `},{"scope_type":"B",` + lines + `}]}`,
		},
		"list of strings torn apart": {
			specifics(text(4, "a"), text(8, "x"), text(4, ""), text(8, "y"), text(4, "b")),
			`{"scope_type":"s",` + lines + `,"language_specifics":{"access_modifiers":["a","","b"],"super_classes":["x","y"]}}`,
		},
		"unknown fields in and between lists": {
			cat(
				number(15, 1), text(1, "s"), text(11, "\xff"), message(7, number(1, 1)), number(200, 7), message(7, double(9, 1)),
				group(12, group(12), text(1, "in it")), message(10, text(1, "c"), tagged(99, protowire.Fixed32Type, []byte{1, 2, 3, 4})),
				text(protowire.MaxValidNumber, "x"),
			),
			`{"scope_type":"s",` + lines + `,"injectible_lines":[{"start":1,"end":0},{"start":0,"end":0}],` +
				`"scopes":[{"scope_type":"c",` + lines + `}]}`,
		},
		"known numbers with the wrong wire type are unknown": {
			cat(
				number(1, 5), text(1, "s"), group(1), double(2, 1), text(4, "no number"), tagged(5, protowire.Fixed32Type, []byte{1, 0, 0, 0}),
				text(6, "true"), number(7, 1), number(8, 1), group(9), double(10, 1),
			),
			`{"scope_type":"s",` + lines + `}`,
		},
		"varints longer than they must be": {
			cat(longTag, []byte{0x81, 0x80, 0}, []byte("s"), []byte{4<<3 | 0x80, 0, 0x87, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0}),
			`{"scope_type":"s","start_line":7,"end_line":0}`,
		},
		"int32 is cut to 32 bits": {
			cat(
				text(1, "s"),
				tagged(4, protowire.VarintType, protowire.AppendVarint(nil, 1<<32|5)),
				tagged(5, protowire.VarintType, protowire.AppendVarint(nil, 1<<31)),
			),
			`{"scope_type":"s","start_line":5,"end_line":-2147483648}`,
		},
		"negative int32 in five bytes": {
			cat(text(1, "s"), tagged(4, protowire.VarintType, protowire.AppendVarint(nil, math.MaxUint32))),
			`{"scope_type":"s","start_line":-1,"end_line":0}`,
		},
		"bool is any varint but zero": {
			cat(text(1, "s"), tagged(6, protowire.VarintType, protowire.AppendVarint(nil, 1<<63))),
			`{"scope_type":"s",` + lines + `,"has_injectible_lines":true}`,
		},
		"zero written out": {
			cat(text(1, "s"), number(4, 0), number(5, 0)),
			`{"scope_type":"s",` + lines + `}`,
		},
		"map: last of a key wins, whatever lies between": {
			specifics(
				additional("k", number(4, 1)), additional("j", number(1, 0)), additional("k", text(3, "two")),
				number(17, 4), additional("k", double(2, 3)),
			),
			`{"scope_type":"s",` + lines + `,"language_specifics":{"arity":4,"j":null,"k":3}}`,
		},
		"map: a typed key wins, wherever it stands": {
			specifics(additional("arity", double(2, 1)), additional("interfaces", double(2, 2)), number(17, -1)),
			`{"scope_type":"s",` + lines + `,"language_specifics":{"arity":-1,"interfaces":2}}`,
		},
		"map: the map's own name is a key as any other": {
			specifics(additional("additional", double(2, 1))),
			`{"scope_type":"s",` + lines + `,"language_specifics":{"additional":1}}`,
		},
		"map entry: value before key, unknown fields, key twice": {
			specifics(message(100, number(9, 1), message(2, number(4, 1)), text(1, "a"), group(3), text(1, "b"))),
			`{"scope_type":"s",` + lines + `,"language_specifics":{"b":true}}`,
		},
		"map entry without a key": {
			specifics(message(100, message(2, text(3, "v")))),
			`{"scope_type":"s",` + lines + `,"language_specifics":{"":"v"}}`,
		},
		"value: the last kind counts": {
			specifics(additional("k",
				text(3, "a"), message(6, message(1, number(4, 1))), number(4, 1), double(9, 1), message(5), number(1, 77))),
			`{"scope_type":"s",` + lines + `,"language_specifics":{"k":null}}`,
		},
		"value: list and struct with unknown fields": {
			specifics(additional("k", message(6,
				number(1, 9), message(1, double(2, 1)), text(2, "x"),
				message(1, message(5, text(3, "x"), message(1, text(1, "a"), message(2, number(4, 0))), message(1, message(2, text(3, "")))))))),
			`{"scope_type":"s",` + lines + `,"language_specifics":{"k":[1,{"":"","a":false}]}}`,
		},
		"struct: last of a key wins": {
			specifics(additional("k", message(5,
				message(1, text(1, "x"), message(2, double(2, 1))), message(1, text(1, "w"), message(2, double(2, 2))),
				message(1, text(1, "x"), message(2, double(2, 3)))))),
			`{"scope_type":"s",` + lines + `,"language_specifics":{"k":{"w":2,"x":3}}}`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := transcoded(t, tt.wire); string(got) != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			scope := &symdbv1.Scope{}
			if err := proto.Unmarshal(tt.wire, scope); err != nil {
				t.Fatalf("protobuf does not take it: %v", err)
			}
			if got, err := transcodetest.JSON(scope); err != nil || string(got) != tt.want {
				t.Errorf("protobuf sees (error %v)\n     %s\nwant %s", err, got, tt.want)
			}
		})
	}
}

// Every message cut short is either refused or, where it was cut between two
// fields, the shorter message; never more than protobuf takes.
func TestTruncated(t *testing.T) {
	t.Parallel()
	for _, name := range goldenNames(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wire := marshaled(t, readScope(t, name))
			for n := range wire {
				compare(t, wire[:n])
			}
		})
	}
}

// Bytes replaced here and there: neither path may take what the other refuses
// as malformed.
func TestDamaged(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"strings", "additional"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wire := marshaled(t, readScope(t, name))
			bytesToTry := []byte{0, 1, 7, 0x0a, 0x7f, 0x80, 0xff}
			for i := range wire {
				damaged := bytes.Clone(wire)
				damaged[i] = bytesToTry[i%len(bytesToTry)]
				compare(t, damaged)
				damaged[i] = wire[i] ^ 1<<(i%8)
				compare(t, damaged)
			}
		})
	}
}

// Keys that differ in length and bytes come in the order of their bytes.
func TestKeysSorted(t *testing.T) {
	t.Parallel()
	keys := []string{"\u00ff", "b", "", "aa", "\U0001F600", "a", "B", "\x00", "a\x00", "\uffff"}
	var parts [][]byte
	for _, key := range keys {
		parts = append(parts, additional(key, number(4, 1)))
	}
	got := string(transcoded(t, specifics(parts...)))
	want := `{"scope_type":"s","start_line":0,"end_line":0,"language_specifics":{"":true,"\u0000":true,"B":true,"a":true,` +
		`"a\u0000":true,"aa":true,"b":true,"` + "\u00ff" + `":true,"` + "\uffff" + `":true,"` + "\U0001F600" + `":true}}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// A long list of long strings, torn apart, each of them with escapes at the
// borders of the pieces that it is written in.
func TestPieces(t *testing.T) {
	t.Parallel()
	var parts [][]byte
	var want []string
	for n := 100; n < 300; n++ {
		s := strings.Repeat("x", n-1) + "\n" + strings.Repeat("\x00", n%9) + "é"
		parts = append(parts, text(4, s))
		want = append(want, fmt.Sprintf(`"%s\n%sé"`, strings.Repeat("x", n-1), strings.Repeat(`\u0000`, n%9)))
	}
	got := string(transcoded(t, specifics(parts...)))
	if want := `{"access_modifiers":[` + strings.Join(want, ",") + `]}}`; !strings.HasSuffix(got, want) {
		t.Errorf("got  %s\nwant …%s", got, want)
	}
}
