package transcode

// WithoutNotes returns the message as it is if there were too many notes.
func (c Checked) WithoutNotes() Checked {
	c.notes = nil
	return c
}
