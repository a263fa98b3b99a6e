package gosym

import (
	"bytes"
	"errors"
	"fmt"
	"math"
)

// lineHeader checks the header of a line table.
type lineHeader struct {
	fieldReader

	sections *debugSections
}

// maxLinePathBytes bounds the paths of the files of a table.
const maxLinePathBytes = 16 << 20

// pathList is a list of directories or files.
type pathList struct{ count, bytes, longest uint64 }

func (l *pathList) add(pathBytes uint64) {
	l.count++
	l.bytes += pathBytes
	l.longest = max(l.longest, pathBytes)
}

// check fails if the header announces more files or directories than it has, or if their
// paths are too long. dir is the directory of the unit. Package dwarf puts a directory
// before each path that is relative.
func (h *lineHeader) check(dir string) error {
	length, wide := h.unitLength()
	h.rest = h.rest[:min(length, uint64(len(h.rest)))]
	version := h.uint(2)
	if version >= 5 {
		h.take(2) // lengths of an address and of a segment selector
	}
	h.offset(wide) // length of the header
	h.take(4)      // parameters of the line program
	if version >= 4 {
		h.take(1)
	}
	h.take(uint64(max(h.byte(), 1)) - 1)
	if version < 5 {
		folders, err := h.pathsBefore5(0)
		if err != nil {
			return err
		}
		files, err := h.pathsBefore5(3)
		if err != nil {
			return err
		}
		folders.add(0)
		return checkPaths(folders, files, uint64(len(dir)))
	}
	folders, err := h.paths(wide)
	if err != nil {
		return err
	}
	files, err := h.paths(wide)
	if err != nil {
		return err
	}
	return checkPaths(folders, files, 0)
}

// checkPaths fails if the paths are too long. dirBytes is the length of what precedes each
// directory.
func checkPaths(folders, files pathList, dirBytes uint64) error {
	total := folders.bytes + folders.count*dirBytes + files.bytes
	if longest := folders.longest + dirBytes; total > maxLinePathBytes || files.count*longest > maxLinePathBytes-total {
		return fmt.Errorf("%w: a line table with paths of more than %d bytes", ErrTooLarge, maxLinePathBytes)
	}
	return nil
}

// pathsBefore5 skips a list of paths before DWARF 5, each with so many numbers, of which the first
// is the index of a directory. Package dwarf reports a list that is cut off, but panics at an index
// that is negative as an int, also where more than 64 bits of it are cut off.
func (h *lineHeader) pathsBefore5(numbers int) (pathList, error) {
	var list pathList
	for len(h.rest) > 0 && !h.failed {
		text, _, _ := bytes.Cut(h.rest, []byte{0})
		h.take(min(uint64(len(text))+1, uint64(len(h.rest))))
		if len(text) == 0 {
			break
		}
		list.add(uint64(len(text)))
		for i := range numbers {
			if number := h.uleb(); h.failed || i == 0 && number > math.MaxInt32 {
				return list, fmt.Errorf("header of line table: %w", errDamaged)
			}
		}
	}
	return list, nil
}

// paths skips a list of paths.
func (h *lineHeader) paths(wide bool) (pathList, error) {
	forms := make([]uint64, h.byte())
	for i := range forms {
		h.uleb() // content
		forms[i] = h.uleb()
	}
	var list pathList
	count := h.uleb()
	if count > min(maxLineFiles, uint64(len(h.rest))) {
		return list, fmt.Errorf("%w: a line table of %d files", ErrTooLarge, count)
	}
	for range count {
		pathBytes := uint64(0)
		for _, form := range forms {
			pathBytes += h.skipForm(form, wide)
		}
		if list.add(pathBytes); list.bytes > maxLinePathBytes {
			return list, checkPaths(list, pathList{}, 0)
		}
	}
	if h.failed {
		return list, fmt.Errorf("header of line table: %w", errDamaged)
	}
	return list, nil
}

// skipForm skips a value, and returns its length if it is a text.
func (h *lineHeader) skipForm(form uint64, wide bool) (textBytes uint64) {
	switch form {
	case formString:
		text, _, _ := bytes.Cut(h.rest, []byte{0})
		h.take(uint64(len(text)) + 1)
		return uint64(len(text))
	case formStrp:
		return textLength(h.sections.str, h.offset(wide))
	case formLineStrp:
		return textLength(h.sections.lineStr, h.offset(wide))
	case formStrpSup:
		h.offset(wide)
	case formStrx, formUdata:
		h.uleb()
	case formBlock:
		h.take(h.uleb())
	default:
		// Like debug/dwarf, skip nothing for an unknown form.
		h.take(fixedForms[form])
	}
	return 0
}

// textLength returns the length of the string at an offset in a section, or 0 if there is
// none.
func textLength(section []byte, offset uint64) uint64 {
	text, err := textAt(section, offset)
	if errors.Is(err, ErrTooLarge) {
		return maxLinePathBytes + 1
	}
	return uint64(len(text.bytes))
}
