package encode

import "hash/crc32"

// joinSums returns the CRC-32 of a followed by b, of which it knows the CRC-32
// and b's length.
//
// A CRC-32 is the remainder of a polynomial over GF(2). The bytes of b multiply
// a's by x to the power of their bits; then b's own remainder is added.
func joinSums(a, b uint32, bBytes int64) uint32 {
	shift, square := uint32(1)<<31, uint32(1)<<23 // 1, and x^8 for one byte
	for ; bBytes > 0; bBytes >>= 1 {
		if bBytes&1 == 1 {
			shift = multiply(shift, square)
		}
		square = multiply(square, square)
	}
	return multiply(a, shift) ^ b
}

// multiply returns the product of two polynomials modulo that of CRC-32. Bit 31
// is the coefficient of x^0, bit 0 that of x^31, as in [crc32.IEEE].
func multiply(a, b uint32) uint32 {
	var product uint32
	for ; a != 0; a <<= 1 {
		if a>>31 == 1 {
			product ^= b
		}
		carry := b & 1
		b >>= 1
		if carry == 1 {
			b ^= crc32.IEEE
		}
	}
	return product
}
