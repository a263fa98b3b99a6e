package main

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"

	kgzip "github.com/klauspost/compress/gzip"
	"google.golang.org/protobuf/proto"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/baseline"
	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/encode"
	"github.com/scopegate/scopegate/server/internal/transcode"
	"github.com/scopegate/scopegate/server/internal/transcode/transcodetest"
)

// way is one way to encode a corpus. run returns how many bytes came out; 0
// where the way does not compress.
type way struct {
	name  string
	label string // in the plot; empty: none
	run   func(corpus) (int, error)
	// reorders means that the way is measured with fields in other orders, too.
	reorders bool
}

const (
	baselineName = "baseline: Unmarshal, encoding/json, compress/gzip -6"
	maxDepth     = 64
)

func allWays() ([]way, error) {
	plan := transcodetest.Plan()
	ways := []way{
		{baselineName, "baseline", runBaseline, true},
		{"Unmarshal, encoding/json (no gzip)", "", runStructs, true},
		{"ours: check, transcode (no gzip)", "", func(c corpus) (int, error) { return 0, runTranscode(plan, c) }, true},
		{"library alone: compress/gzip -6 on ready JSON", "compress/gzip -6 alone", runStdlib, false},
	}
	for _, level := range []int{1, 4, 5, 6} {
		ways = append(ways, way{
			fmt.Sprintf("library alone: klauspost -%d on ready JSON", level),
			fmt.Sprintf("klauspost -%d alone", level),
			func(c corpus) (int, error) { return runLibrary(c, level) },
			false,
		})
	}
	defaults := encode.DefaultSettings()
	with := func(level, chunk, window int) encode.Settings {
		return encode.Settings{Level: level, ChunkBytes: chunk << 10, WindowBytes: window << 10}
	}
	for _, s := range []encode.Settings{
		defaults, with(encode.Scope, 56, 8), with(encode.Scope, 112, 16), with(encode.Scope, 96, 32), with(encode.Scope, 120, 0),
		with(1, 120, 8), with(4, 120, 8), with(5, 120, 8), with(6, 120, 8), with(6, 120, 16),
	} {
		pool, err := encode.NewPool(s)
		if err != nil {
			return nil, err
		}
		compression := "scope"
		if s.Level != encode.Scope {
			compression = fmt.Sprintf("-%d", s.Level)
		}
		name := fmt.Sprintf("ours: %s, chunk %d KiB, window %d KiB", compression, s.ChunkBytes>>10, s.WindowBytes>>10)
		label := ""
		if s.ChunkBytes == defaults.ChunkBytes && s.WindowBytes == defaults.WindowBytes {
			label = "ours " + compression
		}
		if s == defaults {
			name += " (default)"
			label += " (default)"
		}
		ways = append(ways, way{name, label, func(c corpus) (int, error) { return runEncode(plan, pool, c) }, s == defaults})
	}
	return ways, nil
}

func runBaseline(c corpus) (int, error) {
	size := 0
	e := baseline.NewEncoder(func(b []byte) error { size += len(b); return nil })
	for _, m := range c.messages {
		if err := e.Add(m); err != nil {
			return 0, err
		}
	}
	return size, e.Flush()
}

func runStructs(c corpus) (int, error) {
	out := json.NewEncoder(io.Discard)
	for _, m := range c.messages {
		message := &symdbv1.Scope{}
		if err := proto.Unmarshal(m, message); err != nil {
			return 0, err
		}
		scope := baseline.FromProto(message)
		if err := out.Encode(&scope); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

// chunk is a sink that sums up what it gets and forgets it.
type chunk struct{ sum uint32 }

func (c *chunk) Marks() []uint64 { return nil }

func (c *chunk) Drain(json []byte) []byte {
	c.sum = crc32.Update(c.sum, crc32.IEEETable, json)
	return json[:0]
}

func runTranscode(plan *transcode.Plan, c corpus) error {
	sink := &chunk{}
	buffer := make([]byte, 0, encode.DefaultSettings().ChunkBytes)
	for _, m := range c.messages {
		scope, err := plan.Check(m, maxDepth)
		if err != nil {
			return err
		}
		buffer = scope.AppendTo(buffer, sink)
		scope.Release()
	}
	return nil
}

func runEncode(plan *transcode.Plan, pool *encode.Pool, c corpus) (int, error) {
	size := 0
	u := &ourUpload{plan: plan, batches: newAssembler(pool), forward: func(b *batch.Sealed) {
		size += b.Number(1, false).File.Len()
		release(b)
	}}
	defer u.close()
	for _, m := range c.messages {
		if err := u.add(m); err != nil {
			return 0, err
		}
	}
	u.forward(u.batches.Seal())
	return size, nil
}

func newAssembler(pool *encode.Pool) *batch.Assembler {
	header := &batch.Header{Service: "bench", Version: new("1"), Language: "go", UploadID: "0"}
	return batch.NewAssembler(header, batch.Policy{FlushThresholdBytes: baseline.FlushThresholdBytes}, pool, nil)
}

func release(b *batch.Sealed) { b.Body.Release() }

func runStdlib(c corpus) (int, error) {
	out := &counter{}
	w, err := gzip.NewWriterLevel(out, 6)
	if err != nil {
		return 0, err
	}
	return out.finish(w, c.json)
}

func runLibrary(c corpus, level int) (int, error) {
	out := &counter{}
	w, err := kgzip.NewWriterLevel(out, level)
	if err != nil {
		return 0, err
	}
	return out.finish(w, c.json)
}

type counter struct{ n int }

func (c *counter) Write(b []byte) (int, error) { c.n += len(b); return len(b), nil }

func (c *counter) finish(w io.WriteCloser, json []byte) (int, error) {
	if _, err := w.Write(json); err != nil {
		return 0, err
	}
	err := w.Close()
	return c.n, err
}

// appender is a sink that keeps everything.
type appender struct{}

func (appender) Marks() []uint64 { return nil }

func (appender) Drain(json []byte) []byte {
	return append(make([]byte, 0, 2*cap(json)+transcode.Room), json...)
}

func appendJSON(dst []byte, messages [][]byte) ([]byte, error) {
	plan := transcodetest.Plan()
	for i, m := range messages {
		scope, err := plan.Check(m, maxDepth)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = scope.AppendTo(dst, appender{})
		scope.Release()
	}
	return dst, nil
}
