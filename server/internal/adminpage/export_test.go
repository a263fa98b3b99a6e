package adminpage

// What is tested by itself.
var (
	Visible      = visible
	BytesText    = bytesText
	DurationText = durationText
	CountText    = count
	LinePath     = line
	AreaPath     = area
)
