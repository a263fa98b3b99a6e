package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"runtime"

	"google.golang.org/grpc/encoding"
	"google.golang.org/protobuf/proto"

	"github.com/scopegate/scopegate/client/compression"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/encode"
	"github.com/scopegate/scopegate/server/internal/transcode/transcodetest"
)

// coder is a way to have messages compressed by a client and decompressed by the
// server.
type coder struct {
	name     string
	compress func(io.Writer) (io.WriteCloser, error)
	encoding string
}

// stdlib writes as clients in other languages do, with an encoder that is used
// again.
func stdlib(level int) func(io.Writer) (io.WriteCloser, error) {
	var kept *gzip.Writer
	return func(w io.Writer) (io.WriteCloser, error) {
		if kept == nil {
			var err error
			kept, err = gzip.NewWriterLevel(w, level)
			return kept, err
		}
		kept.Reset(w)
		return kept, nil
	}
}

func coders() []coder {
	return []coder{
		{"gzip -1 (client/compression)", encoding.GetCompressor(compression.Gzip).Compress, compression.Gzip},
		{"gzip -1 (compress/gzip)", stdlib(gzip.BestSpeed), compression.Gzip},
		{"gzip -6 (compress/gzip)", stdlib(6), compression.Gzip},
		{"zstd -1 (client/compression)", encoding.GetCompressor(compression.Zstd).Compress, compression.Zstd},
	}
}

// wireRound is what one coder took in one round, in seconds of one core.
type wireRound struct{ compress, decompress float64 }

// runWire prints what compression on the wire saves and costs, beside the other costs:
// the client's marshalling, and the server's way from a message to a batch.
func runWire(rounds int, binaries []string) error {
	corpora, err := loadCorpora(binaries)
	if err != nil {
		return err
	}
	runtime.GOMAXPROCS(1)
	for _, c := range corpora {
		if err := printWire(c, rounds); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return nil
}

func printWire(c corpus, rounds int) error {
	all := coders()
	sizes := make([]int, len(all))
	taken := make([][]wireRound, len(all))
	var marshal, serve []float64
	for range rounds {
		client, server, err := withoutCompression(c)
		if err != nil {
			return err
		}
		marshal, serve = append(marshal, client), append(serve, server)
		for i, coder := range all {
			took, size, err := coder.run(c.messages)
			if err != nil {
				return fmt.Errorf("%s: %w", coder.name, err)
			}
			sizes[i], taken[i] = size, append(taken[i], took)
		}
	}
	wire := 0
	for _, m := range c.messages {
		wire += len(m)
	}
	gigabytes := float64(len(c.json)) / 1e9
	fmt.Printf("### %s: %d messages, %.1f MB of JSON, %.1f MB of protobuf\n\n",
		c.name, len(c.messages), float64(len(c.json))/1e6, float64(wire)/1e6)
	fmt.Println("| compression | MB on the wire per GB of JSON | ratio | client, s/GB | server, s/GB | pays below |")
	fmt.Println("|---|--:|--:|--:|--:|--:|")
	fmt.Printf("| none | %.0f | 1 | %.2f | %.2f | |\n",
		float64(wire)/1e6/gigabytes, median(marshal)/gigabytes, median(serve)/gigabytes)
	for i, coder := range all {
		compress := medianOf(taken[i], func(r wireRound) float64 { return r.compress })
		decompress := medianOf(taken[i], func(r wireRound) float64 { return r.decompress })
		fmt.Printf("| %s | %.0f | %.1f | +%.2f | +%.2f | %.0f Mbit/s |\n", coder.name,
			float64(sizes[i])/1e6/gigabytes, float64(wire)/float64(sizes[i]), compress/gigabytes, decompress/gigabytes,
			8*float64(wire-sizes[i])/1e6/(compress+decompress))
	}
	fmt.Println()
	return nil
}

func medianOf(rounds []wireRound, of func(wireRound) float64) float64 {
	values := make([]float64, 0, len(rounds))
	for _, r := range rounds {
		values = append(values, of(r))
	}
	return median(values)
}

// withoutCompression returns the seconds that marshalling and the server's encoding
// take.
func withoutCompression(c corpus) (client, server float64, err error) {
	scopes := make([]*symdbv1.Scope, len(c.messages))
	for i, m := range c.messages {
		scopes[i] = &symdbv1.Scope{}
		if err := proto.Unmarshal(m, scopes[i]); err != nil {
			return 0, 0, err
		}
	}
	var buffer []byte
	client, err = timed(func() error {
		for _, scope := range scopes {
			var err error
			if buffer, err = (proto.MarshalOptions{}).MarshalAppend(buffer[:0], scope); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, 0, err
	}
	clear(scopes)
	pool, err := encode.NewPool(encode.DefaultSettings())
	if err != nil {
		return 0, 0, err
	}
	server, err = timed(func() error {
		_, err := runEncode(transcodetest.Plan(), pool, c)
		return err
	})
	return client, server, err
}

func timed(run func() error) (float64, error) {
	runtime.GC()
	start := cpuTime()
	err := run()
	return (cpuTime() - start).Seconds(), err
}

// run compresses each message separately, as gRPC does, and then decompresses all.
func (c coder) run(messages [][]byte) (wireRound, int, error) {
	var out bytes.Buffer
	var ends []int
	var took wireRound
	var err error
	out.Grow(2 << 20)
	took.compress, err = timed(func() error {
		for _, m := range messages {
			w, err := c.compress(&out)
			if err != nil {
				return err
			}
			if _, err := w.Write(m); err != nil {
				return err
			}
			if err := w.Close(); err != nil {
				return err
			}
			ends = append(ends, out.Len())
		}
		return nil
	})
	if err != nil {
		return took, 0, err
	}
	decompressor := encoding.GetCompressor(c.encoding)
	buffer := make([]byte, 32<<10)
	took.decompress, err = timed(func() error {
		start := 0
		for i, end := range ends {
			r, err := decompressor.Decompress(bytes.NewReader(out.Bytes()[start:end]))
			if err != nil {
				return err
			}
			n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, buffer)
			if err != nil {
				return err
			}
			if closer, ok := r.(io.Closer); ok {
				_ = closer.Close()
			}
			if n != int64(len(messages[i])) {
				return fmt.Errorf("message %d: %d bytes became %d", i, len(messages[i]), n)
			}
			start = end
		}
		return nil
	})
	return took, out.Len(), err
}
