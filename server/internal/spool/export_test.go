package spool

import "os"

// File is what a spool needs of a file.
type File = file

// OnFile returns a spool on f, which has the name left if that is not empty.
func OnFile(f File, left string, maxBytes int64) *Spool { return newSpool(f, left, maxBytes) }

// WordCount returns how many words of memory the used blocks are kept in.
func (s *Spool) WordCount() int { return len(s.blocks.words) }

// Mode returns the file's permissions; 0 where it has none to tell.
func (s *Spool) Mode() os.FileMode {
	f, ok := s.file.(*os.File)
	if !ok {
		return 0
	}
	at, err := f.Stat()
	if err != nil {
		return 0
	}
	return at.Mode().Perm()
}
