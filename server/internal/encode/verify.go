package encode

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"math"
	"sync/atomic"
)

// verification is which batches are verified, and what came of it.
type verification struct {
	rate      float64
	report    func(error)
	batches   atomic.Int64 // begun
	verified  atomic.Int64 // batches
	different atomic.Int64 // chunks
}

// Verify has each chunk of a share of the batches, from 0 to 1, decompressed while its JSON is
// still there, and compared. A chunk that differs is compressed again by an ordinary compressor,
// and report is called. Verify must be called before the pool is used.
func (p *Pool) Verify(rate float64, report func(error)) {
	p.verification.rate, p.verification.report = rate, report
}

// choose reports whether to verify the next batch. They are spread evenly.
func (v *verification) choose() bool {
	if v.rate <= 0 {
		return false
	}
	n := float64(v.batches.Add(1))
	chosen := math.Floor(n*v.rate) > math.Floor((n-1)*v.rate)
	if chosen {
		v.verified.Add(1)
	}
	return chosen
}

// verified returns blocks, or others in their place if they are wrong.
func (p *Pool) verified(blocks []byte, b buffer, window int) []byte {
	blocks, err := repair(blocks, b, window)
	if err != nil {
		p.verification.different.Add(1)
		p.verification.report(err)
	}
	return blocks
}

// fallbackLevel is the level at which a chunk is compressed that the encoder for scopes got wrong.
const fallbackLevel = 6

var errDifferent = errors.New("the blocks decompress to other bytes")

// repair returns the blocks of b's JSON from window on, made by another compressor, if those given
// are wrong. The error says how they are.
func repair(blocks []byte, b buffer, window int) ([]byte, error) {
	wrong := verify(blocks, b.json, window)
	if wrong == nil {
		return blocks, nil
	}
	wrong = fmt.Errorf("verify chunk of %d bytes: %w", len(b.json)-window, wrong)
	c, err := newCompressor(fallbackLevel, window)
	if err != nil {
		return blocks, errors.Join(wrong, err)
	}
	return c.compressLevel(nil, b.json, window), wrong
}

// verify decompresses blocks and compares them with json from window on.
func verify(blocks, json []byte, window int) error {
	end := []byte{1, 0, 0, 0xff, 0xff} // an empty block, the last of a stream
	source := bytes.NewReader(append(bytes.Clone(blocks), end...))
	decompressor := flate.NewReaderDict(source, json[:window])
	rest := json[window:]
	piece := make([]byte, 4<<10)
	for {
		n, err := decompressor.Read(piece)
		if !bytes.HasPrefix(rest, piece[:n]) {
			return errDifferent
		}
		rest = rest[n:]
		switch {
		case errors.Is(err, io.EOF) && len(rest) == 0 && source.Len() == 0:
			return nil
		case errors.Is(err, io.EOF):
			return errDifferent
		case err != nil:
			return err
		}
	}
}
