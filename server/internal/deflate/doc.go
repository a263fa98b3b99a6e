// Package deflate compresses text whose structure the caller knows: JSON, of which it knows
// where each value begins and ends. It writes deflate blocks (RFC 1951) that any decoder reads.
//
// Start at [Compressor.Append]. It looks for repetitions only at the marks and at the places
// in an unmatched value that look like the beginning of a word, so it is several times as fast
// as an encoder that looks everywhere. Text without such structure it compresses badly.
//
// Wrong marks cost bytes and never correctness: each match is compared before it is written.
package deflate
