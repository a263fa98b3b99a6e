package deflate

import (
	"math/bits"
	"slices"
)

// codeLengths sets lengths to those of a Huffman code for the frequencies, none longer than
// maxLength. The code is complete: if fewer than two symbols occur, others get a code too.
func codeLengths(lengths []uint8, frequencies []uint32, maxLength int) {
	clear(lengths)
	var sorted, depth [literalCount]uint32
	n := 0
	for symbol, f := range frequencies {
		if f > 0 {
			sorted[n] = f<<9 | uint32(symbol)
			n++
		}
	}
	for symbol := uint32(0); n < 2; symbol++ {
		if frequencies[symbol] == 0 {
			sorted[n] = 1<<9 | symbol
			n++
		}
	}
	slices.Sort(sorted[:n])
	for i, s := range sorted[:n] {
		depth[i] = s >> 9
	}
	counts := countLengths(depth[:n], maxLength)
	i := 0
	for length := maxLength; length > 0; length-- {
		for range counts[length] {
			lengths[sorted[i]&(1<<9-1)] = uint8(length)
			i++
		}
	}
}

// countLengths returns how many codes of each length an optimal code has for the ascending
// frequencies. It overwrites these with the tree's internal nodes, from the left, as Moffat and
// Katajainen describe (In-Place Calculation of Minimum-Redundancy Codes, 1995). Codes that are
// too long are cut, and others made longer for them.
func countLengths(a []uint32, maxLength int) (counts [maxCodeBits + 1]int) {
	n := len(a)
	// Each internal node holds its sum until it has a parent, and then the parent's index.
	leaf, root := 0, 0
	for next := range n - 1 {
		sum := uint32(0)
		for range 2 {
			if leaf < n && (root == next || a[leaf] <= a[root]) {
				sum += a[leaf]
				leaf++
			} else {
				sum += a[root]
				a[root] = uint32(next)
				root++
			}
		}
		a[next] = sum
	}
	a[n-2] = 0 //nolint:gosec // the root's depth; there are at least two symbols
	for i := n - 3; i >= 0; i-- {
		a[i] = a[a[i]] + 1
	}
	// At each depth, the nodes that are not internal are leaves.
	internal, nodes := n-2, 1
	for depth := 0; nodes > 0; depth++ {
		inner := 0
		for internal >= 0 && int(a[internal]) == depth {
			inner++
			internal--
		}
		counts[min(depth, maxLength)] += nodes - inner
		nodes = 2 * inner
	}
	// The sum of 2^-length must be 1.
	excess := -1 << maxLength
	for length, count := range counts[:maxLength+1] {
		excess += count << (maxLength - length)
	}
	for ; excess > 0; excess-- {
		// One of the longest and the next shorter one become siblings.
		length := maxLength - 1
		for counts[length] == 0 {
			length--
		}
		counts[length]--
		counts[length+1] += 2
		counts[maxLength]--
	}
	return counts
}

// assignCodes sets codes to the canonical codes of the lengths (RFC 1951, section 3.2.2), in the
// form of type codes.
func assignCodes(codes []uint32, lengths []uint8) {
	var next [maxCodeBits + 2]uint16
	for _, n := range lengths {
		next[n+1]++
	}
	next[1] = 0
	for n := 1; n < len(next); n++ {
		next[n] = (next[n-1] + next[n]) << 1
	}
	for symbol, n := range lengths {
		codes[symbol] = 0
		if n > 0 {
			codes[symbol] = uint32(bits.Reverse16(next[n])>>(16-n))<<8 | uint32(n)
			next[n]++
		}
	}
}
