package compression

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// gzipDecoderBytes is the memory of a gzip decoder: a window of 32 KiB and its tables.
const gzipDecoderBytes = 64 << 10

// errTrailing is returned for a message with several gzip members. Otherwise a client
// could make the decoder rebuild its tables for every 20 bytes.
var errTrailing = errors.New("gzip: bytes after the end of the member")

// gzipCompressor implements [encoding.Compressor]. It compresses at level 1, the best
// trade-off by `make bench-wire`.
type gzipCompressor struct {
	writers sync.Pool
	// readers holds a decoder for each core, which is enough because messages are in
	// memory when they are decompressed.
	readers chan *gzipReader
}

func newGzipCompressor() *gzipCompressor {
	c := &gzipCompressor{readers: make(chan *gzipReader, runtime.GOMAXPROCS(0))}
	for range cap(c.readers) {
		c.readers <- &gzipReader{home: c.readers}
	}
	return c
}

func (*gzipCompressor) Name() string { return Gzip }

// DecoderBytes returns the maximum memory of all decoders together.
func (c *gzipCompressor) DecoderBytes() int { return cap(c.readers) * gzipDecoderBytes }

type gzipWriter struct {
	*gzip.Writer
	home *sync.Pool
}

func (c *gzipCompressor) Compress(w io.Writer) (io.WriteCloser, error) {
	z, ok := c.writers.Get().(*gzipWriter)
	if !ok {
		fresh, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
		if err != nil {
			return nil, fmt.Errorf("compress: %w", err)
		}
		return &gzipWriter{Writer: fresh, home: &c.writers}, nil
	}
	z.Reset(w)
	return z, nil
}

// Close ends the member and releases the encoder.
func (z *gzipWriter) Close() error {
	err := z.Writer.Close()
	z.Reset(nil)
	z.home.Put(z)
	return err //nolint:wrapcheck // gRPC wraps it
}

// gzipReader reads one member. Close releases it.
type gzipReader struct {
	reader gzip.Reader
	input  removable
	home   chan<- *gzipReader
}

// removable is a source that can be removed from its reader.
type removable struct{ source }

// Decompress waits for a decoder. r must not block, because others wait for the decoder
// too.
func (c *gzipCompressor) Decompress(r io.Reader) (io.Reader, error) {
	d := <-c.readers
	input, ok := r.(source)
	if !ok {
		input = bufio.NewReader(r)
	}
	d.input.source = input
	if err := d.reader.Reset(&d.input); err != nil {
		d.release()
		return nil, err //nolint:wrapcheck // gRPC wraps it
	}
	d.reader.Multistream(false)
	return d, nil
}

func (d *gzipReader) Read(p []byte) (int, error) {
	n, err := d.reader.Read(p)
	if err == io.EOF { //nolint:errorlint // a reader's end is never wrapped
		if _, more := d.input.ReadByte(); more == nil {
			err = errTrailing
		}
	}
	return n, err //nolint:wrapcheck // a reader's end is never wrapped
}

// Close releases the decoder. gRPC calls it once.
func (d *gzipReader) Close() error {
	d.release()
	return nil
}

func (d *gzipReader) release() {
	d.input.source = nil
	d.home <- d
}
