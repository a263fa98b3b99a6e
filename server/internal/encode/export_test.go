package encode

// HeldBytes returns the memory that m holds.
func (m *Member) HeldBytes() int { return m.buffer.held() + cap(m.packed.bytes) + m.out.HeldBytes() }

// Blocks returns how many blocks m has in stores.
func (m *Member) Blocks() int { return len(m.parked.blocks) + m.out.Blocks() }

// HeldBytes returns the memory that s holds.
func (s *Segments) HeldBytes() int {
	held := 0
	for _, memory := range s.memory() {
		held += len(memory)
	}
	return held
}

// Blocks returns how many blocks s has in stores.
func (s *Segments) Blocks() int { return len(s.places) - len(s.memory()) }

// Append appends b, as a compressor does.
func (s *Segments) Append(b []byte) { s.append(b) }

// Shared tells whether a segment is in two of all, or twice in one.
func Shared(all ...*Body) bool {
	seen := map[*byte]bool{}
	for _, s := range all {
		for _, m := range s.memory() {
			if seen[&m[0]] {
				return true
			}
			seen[&m[0]] = true
		}
	}
	return false
}

func (s *Segments) memory() (held [][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.places {
		if p.memory != nil {
			held = append(held, p.memory)
		}
	}
	return held
}
