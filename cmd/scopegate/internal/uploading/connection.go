package uploading

// ConnectionFailure explains gRPC's message about a server that can't be reached. If its
// meaning is unknown, it adds only the address.
func (x Explainer) ConnectionFailure(message string) string {
	kind := kindOfConnectionError(message)
	switch {
	case kind == nil:
		return x.where() + ": " + message
	case kind == &connectionClosed && x.Security.Cert == "":
		return kind.text(x.where(), message) + ": if it speaks TLS, set --tls or --ca; " +
			"if it requires a certificate, set --cert and --key"
	}
	return kind.text(x.where(), message)
}
