package encode

import (
	"bytes"
	"fmt"

	"github.com/klauspost/compress/flate"

	"github.com/scopegate/scopegate/server/internal/deflate"
)

// compressor compresses one chunk at a time. Nothing of a chunk affects the next.
type compressor struct {
	scope encoder // or nil
	level *flate.Writer
	// window is a copy, because level keeps a reference to its dictionary.
	window []byte
	// blocks are those of a chunk, until they are in segments.
	blocks []byte
}

// encoder is the part of [deflate.Compressor] that is used.
type encoder interface {
	Append(dst, text []byte, window int, marks []uint64) []byte
}

func newCompressor(level, windowBytes int) (*compressor, error) {
	if level == Scope {
		return &compressor{scope: deflate.New()}, nil
	}
	w, err := flate.NewWriter(nil, level)
	if err != nil {
		return nil, fmt.Errorf("level %d: %w", level, err)
	}
	return &compressor{level: w, window: make([]byte, 0, windowBytes)}, nil
}

// compress returns the blocks of b's JSON from window on, up to a byte boundary. They are valid
// until the next call.
func (c *compressor) compress(b buffer, window int) []byte {
	if c.scope != nil {
		c.blocks = c.scope.Append(c.blocks[:0], b.json, window, b.marks)
	} else {
		c.blocks = c.compressLevel(c.blocks[:0], b.json, window)
	}
	return c.blocks
}

func (c *compressor) compressLevel(dst, json []byte, window int) []byte {
	c.window = append(c.window[:0], json[:window]...)
	out := bytes.NewBuffer(dst)
	c.level.ResetDict(out, c.window)
	_, _ = c.level.Write(json[window:]) // a buffer can't fail
	_ = c.level.Flush()
	return out.Bytes()
}
