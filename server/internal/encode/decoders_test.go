package encode_test

import (
	"bytes"
	"os/exec"
	"testing"

	"github.com/scopegate/scopegate/server/internal/encode"
)

// Decoders that others wrote. Those of python3 and node say what is left behind
// the first member; it must be nothing.
func TestOtherDecoders(t *testing.T) {
	t.Parallel()
	commands := map[string][]string{
		"gzip": {"-dc"},
		"python3": {"-c", `
import sys, zlib
d = zlib.decompressobj(31)
out = d.decompress(sys.stdin.buffer.read())
assert d.eof and not d.unused_data
sys.stdout.buffer.write(out)`},
		"node": {"-e", `
const {gunzipSync} = require('zlib'), input = require('fs').readFileSync(0);
const {buffer, engine} = gunzipSync(input, {info: true});
if (engine.bytesWritten !== input.length) throw new Error('bytes behind the member');
require('fs').writeSync(1, buffer);`},
	}
	input := mixed(11, 50_000) // fits into a pipe, so that a write is not cut short
	head, body, tail := input[:300], input[300:49_900], input[49_900:]
	var members [][]byte
	for _, level := range []int{encode.Scope, 1, 6, 9} {
		for _, settings := range shapes(level)[:2] {
			members = append(members, fileOf(t, bodyOf(t, newPool(t, settings), body).File(head, tail)))
		}
	}
	for name, args := range commands {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, err := exec.LookPath(name)
			if err != nil {
				t.Skipf("%s is not installed", name)
			}
			for i, compressed := range members {
				if i > 1 && name != "gzip" {
					break // these take long to start
				}
				decode := exec.CommandContext(t.Context(), path, args...)
				decode.Stdin = bytes.NewReader(compressed)
				var errors bytes.Buffer
				decode.Stderr = &errors
				got, err := decode.Output()
				if err != nil {
					t.Fatalf("%v: %s", err, errors.Bytes())
				}
				if !bytes.Equal(got, input) {
					t.Errorf("decoded to %d other bytes", len(got))
				}
			}
		})
	}
}
