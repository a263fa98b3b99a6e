package deflate

// lengthOrder is the order in which the lengths of the codes for code lengths are given.
var lengthOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

const (
	maxCodeBits       = 15 // of a literal, length or distance
	maxLengthCodeBits = 7  // of a code length

	maxRuns = literalCount + distanceCount
)

// header is the header of a dynamic block (RFC 1951, section 3.2.7).
type header struct {
	// How many code lengths are given for each alphabet.
	literals, distances, lengths int
	// runs are code lengths, or repetitions of them: symbols, and from bit 8 how often.
	runs  [maxRuns]uint16
	count int // of runs

	lengthFrequencies [19]uint32
	lengthLengths     [19]uint8
}

// runExtra has the number of bits that follow each symbol of the code lengths.
var runExtra = [19]uint8{16: 2, 17: 3, 18: 7}

// set makes h the header that gives the lengths in t.
func (h *header) set(t *lengthTable) {
	*h = header{literals: literalCount, distances: distanceCount, lengths: len(lengthOrder)}
	for t.literals[h.literals-1] == 0 {
		h.literals--
	}
	for t.distances[h.distances-1] == 0 {
		h.distances--
	}
	var all [maxRuns]uint8
	copy(all[:], t.literals[:h.literals])
	copy(all[h.literals:], t.distances[:h.distances])
	for rest := all[:h.literals+h.distances]; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n] == rest[0] {
			n++
		}
		h.addRun(int(rest[0]), n)
		rest = rest[n:]
	}
	codeLengths(h.lengthLengths[:], h.lengthFrequencies[:], maxLengthCodeBits)
	for h.lengthLengths[lengthOrder[h.lengths-1]] == 0 {
		h.lengths--
	}
}

// addRun adds a code length that occurs n times in a row.
func (h *header) addRun(length, n int) {
	if length > 0 {
		h.add(length, 0)
		n--
	}
	for n > 0 {
		run := min(n, 6)
		switch {
		case n < 3:
			run = 1
			h.add(length, 0)
		case length > 0:
			h.add(16, run-3)
		case n < 11:
			run = n
			h.add(17, run-3)
		default:
			run = min(n, 138)
			h.add(18, run-11)
		}
		n -= run
	}
}

func (h *header) add(symbol, repeat int) {
	h.runs[h.count] = uint16(symbol | repeat<<8)
	h.count++
	h.lengthFrequencies[symbol]++
}

// bits returns the length of the header.
func (h *header) bits() int {
	n := 3 + 5 + 5 + 4 + 3*h.lengths + codedBits(h.lengthFrequencies[:], h.lengthLengths[:])
	for symbol, extra := range runExtra {
		n += int(h.lengthFrequencies[symbol]) * int(extra)
	}
	return n
}

func (h *header) write(w *bitWriter) {
	w.add(dynamicBlock, 3)
	w.add(uint64(h.literals-257), 5)
	w.add(uint64(h.distances-1), 5)
	w.add(uint64(h.lengths-4), 4)
	for _, symbol := range lengthOrder[:h.lengths] {
		w.add(uint64(h.lengthLengths[symbol]), 3)
	}
	var codes [len(lengthOrder)]uint32
	assignCodes(codes[:], h.lengthLengths[:])
	for _, run := range h.runs[:h.count] {
		w.addCode(codes[run&0xff])
		w.add(uint64(run>>8), uint(runExtra[run&0xff]))
	}
}
