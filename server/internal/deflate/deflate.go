package deflate

const (
	// textBytes is the longest window and chunk that are compressed at once. It is a power of
	// two, so that a position and textMask is within the buffer, and needs no other check.
	textBytes = 1 << 17
	textMask  = textBytes - 1

	// MaxWindow is how far a match can reach back (RFC 1951, section 2).
	MaxWindow = 32 << 10

	// A place is known by a hash of its first minMatch bytes, and by one of its first longBytes.
	minMatch, longBytes = 8, 20
	shortBits, longBits = 13, 13

	// noStart is the length of the end of the text in which no match begins, so that only text
	// is compared.
	noStart = 24
	// minGain is how much further than a match a later one must reach to be preferred. The
	// earlier one is then cut, to no less than minCut.
	minGain, minCut = 8, 4

	markWords = textBytes / 64
	maxPlaces = textBytes / 4
	// atOnce is how many places are listed without a branch.
	atOnce = 6
)

// Compressor holds the memory that compressing takes, about 1.1 MB. Nothing in it affects the
// next text. It is not safe for concurrent use.
type Compressor struct {
	text  [textBytes + 32]byte
	marks [markWords]uint64

	// short has the last place with each short hash, long the last two with each long hash, the
	// newer one in the low half. Places are modulo 2^16. inner is like short, but is filled
	// during the search.
	short [1 << shortBits]uint16
	long  [1 << longBits]uint32
	inner [1 << shortBits]uint16

	// positions has the places, and candidates the places that short and long had for each. The
	// last elements stay 0, for the place before the first.
	positions  [maxPlaces + atOnce]uint32
	candidates [maxPlaces]uint64
	// ranks counts the places up to the end of each word of marks.
	ranks [markWords]uint16

	// literals are all bytes that are in no match.
	literals  [textBytes + 32]byte
	sequences [textBytes / minCut]sequence
	histogram histogram
	header    header
	codes     codes
}

// New returns a compressor.
func New() *Compressor { return new(Compressor) }

// Append appends the deflate blocks of text from window on. They end at a byte boundary, and
// none is the last of a stream. They may refer to the text before, which the decoder must have.
//
// Marks is a set of positions in text, window included, one bit for each: where values begin and
// end. It may be shorter than text, or nil.
func (c *Compressor) Append(dst, text []byte, window int, marks []uint64) []byte {
	for window < len(text) {
		// Marks are cut between words.
		cut := max(0, window-MaxWindow) / 64
		text, window, marks = text[cut*64:], window-cut*64, marks[min(cut, len(marks)):]
		end := min(len(text), textBytes)
		copy(c.text[:], text[:end])
		c.histogram = histogram{}
		literals, sequences := c.search(marks, window, end)
		dst = c.appendBlock(dst, text[window:end], literals, c.sequences[:sequences])
		window = end
	}
	return dst
}
