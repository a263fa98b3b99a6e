package encode

// HeldBytes returns the memory that m holds.
func (m *Member) HeldBytes() int { return cap(m.buffer) + m.out.HeldBytes() }

// Blocks returns how many blocks m has in stores.
func (m *Member) Blocks() int { return len(m.parked.blocks) + m.out.Blocks() }

// HeldBytes returns the memory that b holds.
func (b *Body) HeldBytes() int { return len(b.memory()) * SegmentBytes }

// Blocks returns how many blocks b has in stores.
func (b *Body) Blocks() int { return len(b.places) - len(b.memory()) }

// FreeCompressors returns how many compressors nobody has borrowed.
func (p *Pool) FreeCompressors() int { return len(p.free) }

// Append appends blocks, as a compressor does.
func (b *Body) Append(blocks []byte) { b.append(blocks) }

// Shared tells whether a segment is in two of all, or twice in one.
func Shared(all ...*Body) bool {
	seen := map[*segment]bool{}
	for _, s := range all {
		for _, m := range s.memory() {
			if seen[m] {
				return true
			}
			seen[m] = true
		}
	}
	return false
}

func (b *Body) memory() (held []*segment) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.places {
		if p.memory != nil {
			held = append(held, p.memory)
		}
	}
	return held
}
