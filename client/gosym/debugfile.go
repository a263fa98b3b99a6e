package gosym

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// debugFile is an open file with the debug information that was split from an
// executable, as by `objcopy --only-keep-debug`.
type debugFile struct {
	*os.File

	sections *sectionReader
	info     []byte
}

const (
	// maxLinkBytes bounds the sections of an executable that identify its debug file.
	maxLinkBytes = 4 << 10
	// maxDebugFileBytes bounds a debug file, which may have to be read as a whole.
	maxDebugFileBytes = 4 << 30
	// maxBuildIDBytes bounds a build ID. The longest in use have 32 bytes.
	maxBuildIDBytes = 64
)

// debugPlace is a place where a debug file may be. The file must have the build ID, or,
// if that is empty, the checksum.
type debugPlace struct {
	path    string
	buildID string
	crc     uint32
}

// openDebugFile finds the debug file of an executable whose own sections are c. It looks
// where GDB does: by build ID in the directories, then by the debug link beside the
// executable, in .debug there, and in the directories. Its error wraps ErrNoDWARF if no
// file fits, and the error of a file that exceeds a limit.
func openDebugFile(c *container, exe *source, dirs []string, spool *spool, check *checkpoint) (*debugFile, error) {
	places, notes := c.debugPlaces(exe.path, dirs)
	var missing []string
	var tooLarge error
	for _, place := range places {
		file, err := place.open(spool, check)
		switch {
		case err == nil:
			return file, nil
		case check.err != nil:
			return nil, check.err
		case errors.Is(err, fs.ErrNotExist):
			missing = append(missing, place.path)
		case tooLarge == nil && (errors.Is(err, ErrMaxMemory) || errors.Is(err, ErrTooLarge)):
			tooLarge = err
		default:
			notes = append(notes, err.Error())
		}
	}
	if missing != nil {
		notes = append(notes, "no debug file at "+strings.Join(missing, ", "))
	}
	err := ErrNoDWARF
	if notes != nil {
		err = fmt.Errorf("%w; %s", err, strings.Join(notes, "; "))
	}
	if tooLarge != nil {
		err = fmt.Errorf("%w; %w", err, tooLarge)
	}
	return nil, err
}

// debugPlaces returns where the debug file of the executable at path may be. notes say
// which places are left out.
func (c *container) debugPlaces(path string, dirs []string) (places []debugPlace, notes []string) {
	if id := c.buildID(); id != "" {
		for _, dir := range dirs {
			places = append(places, debugPlace{path: filepath.Join(dir, ".build-id", id[:2], id[2:]+".debug"), buildID: id})
		}
	}
	name, crc := c.debugLink()
	switch {
	case name == "" || path == "":
		return places, nil
	case name != filepath.Base(name) || !filepath.IsLocal(name) || name == ".":
		return places, []string{fmt.Sprintf("its debug link %q is not a file name", name)}
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	beside := filepath.Dir(path)
	folders := []string{beside, filepath.Join(beside, ".debug")}
	for _, dir := range dirs {
		folders = append(folders, filepath.Join(dir, beside))
	}
	for _, folder := range folders {
		places = append(places, debugPlace{path: filepath.Join(folder, name), crc: crc})
	}
	return places, nil
}

// debugLink returns the name and the checksum in .gnu_debuglink, or an empty name.
func (c *container) debugLink() (name string, crc uint32) {
	content := c.small("gnu_debuglink")
	text, _, ok := bytes.Cut(content, []byte{0})
	at := (len(text) + 4) / 4 * 4 // padded, with at least one zero
	if !ok || len(content) < at+4 {
		return "", 0
	}
	return string(text), c.order.Uint32(content[at:])
}

// buildID returns the ID of GNU's linker in hexadecimal, or "".
func (c *container) buildID() string {
	const (
		headerBytes = 12
		owner       = "GNU\x00"
		typeBuildID = 3
	)
	note := c.small("note.gnu.build-id")
	if len(note) < headerBytes+len(owner) || string(note[headerBytes:headerBytes+len(owner)]) != owner ||
		c.order.Uint32(note) != uint32(len(owner)) || c.order.Uint32(note[8:]) != typeBuildID {
		return ""
	}
	id, length := note[headerBytes+len(owner):], c.order.Uint32(note[4:])
	if length < 2 || length > maxBuildIDBytes || int(length) > len(id) {
		return ""
	}
	return hex.EncodeToString(id[:length])
}

// small returns the content of a short section, or nil.
func (c *container) small(name string) []byte {
	for _, s := range c.sections {
		if s.name != name {
			continue
		}
		r, size, err := s.open()
		if err != nil || size > maxLinkBytes {
			return nil
		}
		content := make([]byte, size)
		if _, err := io.ReadFull(r, content); err != nil {
			return nil
		}
		return content
	}
	return nil
}

// open opens the file if it is the right one and has debug information.
func (p *debugPlace) open(spool *spool, check *checkpoint) (*debugFile, error) {
	// A pipe would block, and a device may never end.
	stat, err := os.Stat(p.path)
	switch {
	case err != nil:
		return nil, err
	case !stat.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", p.path)
	case stat.Size() > maxDebugFileBytes:
		return nil, fmt.Errorf("%s has more than %d bytes", p.path, int64(maxDebugFileBytes))
	}
	file, err := os.Open(p.path)
	if err != nil {
		return nil, err
	}
	debug, err := p.read(file, stat.Size(), spool, check)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", p.path, err), file.Close())
	}
	return debug, nil
}

func (p *debugPlace) read(file *os.File, size int64, spool *spool, check *checkpoint) (*debugFile, error) {
	if p.buildID == "" {
		crc, err := checksum(io.NewSectionReader(file, 0, size), check)
		if err != nil {
			return nil, err
		}
		if crc != p.crc {
			return nil, fmt.Errorf("its CRC-32 is %08x, but %08x in the debug link", crc, p.crc)
		}
	}
	c, err := openContainer(file)
	if err != nil {
		return nil, err
	}
	if id := c.buildID(); p.buildID != "" && id != p.buildID {
		return nil, fmt.Errorf("its build ID is %q, not the binary's", id)
	}
	debug := &debugFile{File: file, sections: newSectionReader(c.sections, size, spool, check)}
	if debug.info, err = debug.sections.section("info"); err != nil {
		return nil, err
	}
	if len(debug.info) == 0 {
		return nil, errors.New("it has no debug information either")
	}
	return debug, nil
}

// checksum returns the CRC-32 of everything in r.
func checksum(r io.Reader, check *checkpoint) (uint32, error) {
	var sum uint32
	chunk := make([]byte, readChunkBytes)
	for {
		n, err := r.Read(chunk)
		sum = crc32.Update(sum, crc32.IEEETable, chunk[:n])
		switch {
		case errors.Is(err, io.EOF):
			return sum, nil
		case err != nil:
			return 0, fmt.Errorf("read file: %w", err)
		}
		if err := check.pass(workPerCheck); err != nil {
			return 0, err
		}
	}
}
