package grpcwire

import "golang.org/x/net/http2/hpack"

const (
	// fieldBytes is what gRPC holds of a request's field beside its text.
	fieldBytes = 112
	// tableBytes is the size of the table of fields (RFC 7541, section 4.2) that gRPC
	// lets clients use.
	tableBytes = 4096
)

// fields measures requests' fields as gRPC decodes them.
type fields struct {
	decoder *hpack.Decoder
	stream  uint32 // whose fields come now; 0: nobody's
	// listBytes is what has come of them as they are limited, and held what they take
	// in memory.
	listBytes, held int
	broken          bool // nothing can be decoded any more
}

// begin is called in front of a stream's fields.
func (f *fields) begin(stream uint32, limitBytes int) {
	f.stream, f.listBytes, f.held = stream, 0, 0
	if f.decoder == nil {
		f.decoder = hpack.NewDecoder(tableBytes, nil)
		f.decoder.SetMaxStringLength(limitBytes)
	}
	f.decoder.SetEmitEnabled(true)
	f.decoder.SetEmitFunc(func(field hpack.HeaderField) {
		if f.listBytes += int(field.Size()); f.listBytes > limitBytes {
			f.decoder.SetEmitEnabled(false) // gRPC drops the rest
			return
		}
		f.held += fieldBytes + len(field.Name) + len(field.Value)
	})
}

// take goes on by what comes of the fields.
func (f *fields) take(p []byte) {
	if f.stream == 0 || f.broken {
		return
	}
	_, err := f.decoder.Write(p)
	f.broken = err != nil // gRPC ends the connection
}

// end is called behind them. It returns whose they were, and what they take.
func (f *fields) end() (stream uint32, held int) {
	stream, held = f.stream, f.held
	if f.stream, f.held = 0, 0; stream != 0 && f.decoder.Close() != nil {
		f.broken = true
	}
	return stream, held
}
