package compression

import (
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

const (
	// maxWindowBytes is the largest window that a frame may ask for. RFC 8878,
	// section 3.1.1.1.2, wants decoders to support 8 MB at least.
	maxWindowBytes = 8 << 20
	// zstdDecoderBytes is what the decoder holds after it has met such a window: that,
	// room for two blocks of 128 KiB in it and for two more beside it, and tables.
	zstdDecoderBytes = maxWindowBytes + 768<<10
	// windowBytes is the window of what is written here.
	windowBytes = 512 << 10
)

// zstdCompressor implements encoding.Compressor (RFC 8878). It writes at the
// fastest level.
type zstdCompressor struct {
	writers sync.Pool
	// readers has a single decoder, as one decodes more than several cores can
	// transcode, and takes megabytes. It keeps the largest window that it has met, so
	// that small frames that ask for large windows can't have them made again and again.
	readers chan *zstdReader
}

func newZstdCompressor() *zstdCompressor {
	c := &zstdCompressor{readers: make(chan *zstdReader, 1)}
	c.readers <- &zstdReader{home: c.readers}
	return c
}

func (*zstdCompressor) Name() string { return Zstd }

// DecoderBytes is how much the decoder holds at most.
func (*zstdCompressor) DecoderBytes() int { return zstdDecoderBytes }

type zstdWriter struct {
	*zstd.Encoder
	home *sync.Pool
}

func (c *zstdCompressor) Compress(w io.Writer) (io.WriteCloser, error) {
	z, ok := c.writers.Get().(*zstdWriter)
	if !ok {
		fresh, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
			zstd.WithWindowSize(windowBytes), zstd.WithLowerEncoderMem(true), zstd.WithZeroFrames(true))
		if err != nil {
			return nil, fmt.Errorf("compress: %w", err)
		}
		return &zstdWriter{Encoder: fresh, home: &c.writers}, nil
	}
	z.Reset(w)
	return z, nil
}

// Close ends the frame and gives the encoder back.
func (z *zstdWriter) Close() error {
	err := z.Encoder.Close()
	z.Reset(nil)
	z.home.Put(z)
	return err //nolint:wrapcheck // gRPC wraps it
}

// zstdReader reads a message's frames, and is given back by Close.
type zstdReader struct {
	decoder *zstd.Decoder // nil until it is used
	home    chan<- *zstdReader
}

// Decompress waits for the decoder. The message must be there: whoever reads it
// from a network would keep others waiting.
func (c *zstdCompressor) Decompress(r io.Reader) (io.Reader, error) {
	d := <-c.readers
	if err := d.reset(r); err != nil {
		d.home <- d
		return nil, err
	}
	return d, nil
}

func (d *zstdReader) reset(r io.Reader) error {
	if d.decoder != nil {
		return d.decoder.Reset(r) //nolint:wrapcheck // gRPC wraps it
	}
	decoder, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindowBytes))
	if err != nil {
		return fmt.Errorf("new decoder: %w", err)
	}
	d.decoder = decoder
	return nil
}

func (d *zstdReader) Read(p []byte) (int, error) {
	return d.decoder.Read(p) //nolint:wrapcheck // a reader's end is never wrapped
}

// Close gives the decoder back. gRPC calls it once.
func (d *zstdReader) Close() error {
	err := d.decoder.Reset(nil) // lets go of the message
	d.home <- d
	return err //nolint:wrapcheck // gRPC drops it
}
