package textfile

import (
	"bytes"
	"errors"
)

// BOM is the byte order mark in UTF-8, which some editors write at the beginning of
// a file.
const BOM = "\ufeff"

// errUTF16 is what [Begin] says of text with two bytes a character.
var errUTF16 = errors.New("the text is UTF-16, not UTF-8; save it as UTF-8")

// Begin returns the length of the byte order mark that text begins with; 0: there is
// none. Of the text only the first three bytes count. It fails where they are those
// of UTF-16 or UTF-32.
func Begin(text []byte) (int, error) {
	switch {
	case bytes.HasPrefix(text, []byte(BOM)):
		return len(BOM), nil
	case bytes.HasPrefix(text, []byte("\xff\xfe")), bytes.HasPrefix(text, []byte("\xfe\xff")),
		bytes.IndexByte(text[:min(2, len(text))], 0) >= 0: // without a mark: each ASCII character has a zero
		return 0, errUTF16
	}
	return 0, nil
}
