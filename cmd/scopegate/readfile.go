package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// readFile reads a file that must not be longer than maxBytes.
func readFile(path string, maxBytes int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxBytes+1))
	if err == nil && int64(len(content)) > maxBytes {
		err = fmt.Errorf("%s is longer than %d bytes", path, maxBytes)
	}
	return content, err
}

// maxKeyBytes is far above the length of any key.
const maxKeyBytes = 4 << 10

// readKeyFile reads a file that holds a key, or a token, and nothing else.
func readKeyFile(path string) (string, error) {
	content, err := readFile(path, maxKeyBytes)
	if err != nil {
		return "", err
	}
	key := strings.TrimSpace(string(content))
	switch {
	case key == "":
		return "", errors.New("there is no key in it")
	case strings.ContainsAny(key, " \t\r\n"):
		return "", errors.New("it holds more than one key")
	}
	return key, nil
}
