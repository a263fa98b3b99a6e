package gosym

// An Option changes what [Open] selects and adds. Where options contradict each
// other the last one wins.
type Option func(*options)

type options struct {
	mainModuleOnly bool
	agentVersion   string
}

// AllPackages selects every package that has code or types in the binary, the
// standard library and dependencies among them. It is the default.
func AllPackages() Option {
	return func(o *options) { o.mainModuleOnly = false }
}

// MainModuleOnly selects package main and the packages of the main module, as
// the binary's build information names it (see [Binary.ModulePath]). In a binary
// without build information that is package main alone.
func MainModuleOnly() Option {
	return func(o *options) { o.mainModuleOnly = true }
}

// AgentVersion sets language_specifics.agent_version of every root scope. By
// default it is absent.
func AgentVersion(version string) Option {
	return func(o *options) { o.agentVersion = version }
}
