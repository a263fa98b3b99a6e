// Package deflate compresses text whose structure the caller knows: JSON with the places where
// each value begins and ends. It writes deflate blocks (RFC 1951) that any decoder reads.
//
// Start at [Compressor.Append]. It looks for repetitions only at the marks and where a word
// seems to begin in an unmatched value, so it is several times as fast as an encoder that looks
// everywhere. It compresses text without such structure badly.
//
// Wrong marks cost bytes and never correctness: each match is compared before it is written.
package deflate
