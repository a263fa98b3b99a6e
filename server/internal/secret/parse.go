package secret

import (
	"errors"
	"fmt"
	"strings"

	"github.com/scopegate/scopegate/server/textfile"
)

// MaxBytes is far above the length of any key or token.
const MaxBytes = 4 << 10

// Parse returns the secret that a file or an environment variable holds: a word of
// printable ASCII. A byte order mark in front, and blanks and line ends around the
// word, are not part of it. Errors do not repeat the text.
func Parse(text string) (Secret, error) {
	word := strings.Trim(strings.TrimPrefix(text, textfile.BOM), " \t\r\n")
	switch {
	case word == "":
		return Secret{}, errors.New("there is no key in it")
	case len(word) > MaxBytes:
		return Secret{}, fmt.Errorf("the key is longer than %d bytes", MaxBytes)
	case strings.ContainsAny(word, " \t\r\n"):
		return Secret{}, errors.New("it holds more than one word, and a key has no blanks")
	case strings.ContainsFunc(word, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return Secret{}, errors.New("the key has a character that is not printable ASCII")
	}
	return New(word), nil
}
