package compression

import (
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

const (
	// maxWindowBytes is the largest window accepted in a frame. RFC 8878, section
	// 3.1.1.1.2, recommends that decoders support at least 8 MB.
	maxWindowBytes = 8 << 20
	// zstdDecoderBytes is the memory of the decoder with such a window: the window, four
	// blocks of 128 KiB, and tables.
	zstdDecoderBytes = maxWindowBytes + 768<<10
	// windowBytes is the encoder's window.
	windowBytes = 512 << 10
)

// zstdCompressor implements [encoding.Compressor] (RFC 8878) at the fastest level.
type zstdCompressor struct {
	writers sync.Pool
	// readers holds a single decoder, because it takes megabytes and is faster than
	// several cores can transcode. It keeps its largest window, so that small frames with
	// large windows do not make it allocate again and again.
	readers chan *zstdReader
}

func newZstdCompressor() *zstdCompressor {
	c := &zstdCompressor{readers: make(chan *zstdReader, 1)}
	c.readers <- &zstdReader{home: c.readers}
	return c
}

func (*zstdCompressor) Name() string { return Zstd }

// DecoderBytes returns the maximum memory of the decoder.
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

// Close ends the frame and releases the encoder.
func (z *zstdWriter) Close() error {
	err := z.Encoder.Close()
	z.Reset(nil)
	z.home.Put(z)
	return err //nolint:wrapcheck // gRPC wraps it
}

// zstdReader reads a message's frames. Close releases it.
type zstdReader struct {
	decoder *zstd.Decoder // nil until first used
	home    chan<- *zstdReader
}

// Decompress waits for the decoder. r must not block, because others wait for the decoder
// too.
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

// Close releases the decoder. gRPC calls it once.
func (d *zstdReader) Close() error {
	err := d.decoder.Reset(nil) // drops the message
	d.home <- d
	return err //nolint:wrapcheck // gRPC drops it
}
