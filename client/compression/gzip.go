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

// gzipDecoderBytes is what a gzip decoder holds: a window of 32 KiB and its tables.
const gzipDecoderBytes = 64 << 10

// errTrailing is of a message with bytes behind its gzip member. To take members
// one after the other would let a client have the tables built again for every 20
// bytes that it sends.
var errTrailing = errors.New("gzip: bytes after the end of the member")

// gzipCompressor implements encoding.Compressor. It writes at level 1, which is
// where docs/tracers.md found gzip to pay soonest.
type gzipCompressor struct {
	writers sync.Pool
	// readers has a decoder for each core: one is borrowed for no longer than it
	// takes to decompress a message that is already there.
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

// DecoderBytes is how much all decoders hold at most, taken together.
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

// Close ends the member and gives the encoder back.
func (z *gzipWriter) Close() error {
	err := z.Writer.Close()
	z.Reset(nil)
	z.home.Put(z)
	return err //nolint:wrapcheck // gRPC wraps it
}

// gzipReader reads one member, and is given back by Close.
type gzipReader struct {
	reader gzip.Reader
	from   cutOff
	home   chan<- *gzipReader
}

// cutOff is a source that can be taken away from who reads it.
type cutOff struct{ source }

// Decompress waits for a decoder. The message must be there: whoever reads it from
// a network would keep others waiting.
func (c *gzipCompressor) Decompress(r io.Reader) (io.Reader, error) {
	d := <-c.readers
	from, ok := r.(source)
	if !ok {
		from = bufio.NewReader(r)
	}
	d.from.source = from
	if err := d.reader.Reset(&d.from); err != nil {
		d.release()
		return nil, err //nolint:wrapcheck // gRPC wraps it
	}
	d.reader.Multistream(false)
	return d, nil
}

func (d *gzipReader) Read(p []byte) (int, error) {
	n, err := d.reader.Read(p)
	if err == io.EOF { //nolint:errorlint // a reader's end is never wrapped
		if _, more := d.from.ReadByte(); more == nil {
			err = errTrailing
		}
	}
	return n, err //nolint:wrapcheck // a reader's end is never wrapped
}

// Close gives the decoder back. gRPC calls it once.
func (d *gzipReader) Close() error {
	d.release()
	return nil
}

func (d *gzipReader) release() {
	d.from.source = nil
	d.home <- d
}
