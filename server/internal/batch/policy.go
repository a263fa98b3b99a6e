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
	// Learned lowers FlushThresholdBytes to what it has learned. Nil: nothing does.
	Learned *Limit
}

// thresholdBytes is FlushThresholdBytes as it is at the moment.
func (p *Policy) thresholdBytes() int {
	if p.Learned == nil {
		return p.FlushThresholdBytes
	}
	if learned := p.Learned.Bytes(); learned > 0 {
		return min(p.FlushThresholdBytes, learned)
	}
	return p.FlushThresholdBytes
}

func (p *Policy) reachedRaw(rawBytes int64) bool {
	return p.FlushThresholdRawBytes > 0 && rawBytes >= p.FlushThresholdRawBytes
}
