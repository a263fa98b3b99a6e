package batch

// Policy says when a batch is full: when it reaches any of the thresholds.
type Policy struct {
	// FlushThresholdBytes is the compressed size at which a batch is full. It is
	// soft: a batch exceeds it by at most 32 KiB and the scope that crossed it.
	// 0 or less: every scope is a batch by itself.
	FlushThresholdBytes int
	// FlushThresholdRawBytes is the length of JSON at which a batch is full. It is
	// soft: a batch exceeds it by the scope that crossed it, and its number's digits.
	// 0 or less: none.
	FlushThresholdRawBytes int64
	// Learned lowers both to what it has learned. Nil: nothing does.
	Learned *Limit
}

// thresholds returns the thresholds as they are at the moment; no threshold of JSON
// is 0.
func (p *Policy) thresholds() (compressed int, raw int64) {
	compressed, raw = p.FlushThresholdBytes, max(0, p.FlushThresholdRawBytes)
	if p.Learned == nil {
		return compressed, raw
	}
	learned := p.Learned.Thresholds()
	if learned.CompressedBytes > 0 {
		compressed = min(compressed, learned.CompressedBytes)
	}
	if learned.RawBytes > 0 && (raw == 0 || learned.RawBytes < raw) {
		raw = learned.RawBytes
	}
	return compressed, raw
}
