package gosym

// An Option is a setting of [Open].
type Option func(*options)

type options struct {
	selection    selection
	agentVersion string
	debugDirs    []string
	checkpoint   func() error
	tempDir      string
	memory       *allowance
}

func newOptions(opts []Option) (*options, error) {
	o := &options{debugDirs: []string{"/usr/lib/debug"}, checkpoint: func() error { return nil }, memory: newAllowance(0)}
	for _, opt := range opts {
		opt(o)
	}
	return o, o.selection.err
}

// WithMainModule selects package main and the packages of the main module, see
// [Binary.ModulePath]. In a binary without build information it selects only package
// main.
func WithMainModule() Option {
	return func(o *options) { o.selection.mainModule = true }
}

// WithMainModuleByDefault is like [WithMainModule], but has no effect if another option
// selects packages. [OpenSelf] implies it.
func WithMainModuleByDefault() Option {
	return func(o *options) { o.selection.mainByDefault = true }
}

// WithOrganization selects package main and the packages of all modules of the organization
// that owns the main module: for a main module github.com/shop/cart/v2, the packages below
// github.com/shop. If the path of the main module does not consist of a host, an owner and
// a name, it is like [WithMainModule].
func WithOrganization() Option {
	return func(o *options) { o.selection.organization = true }
}

// WithInclude selects the packages that match any of the patterns. A pattern is one of
// the go command's: an import path in which ... stands for any string, with slashes too.
// A pattern that ends in /... also matches the path before it. "std" is the standard
// library and "all" is everything. Package main matches as "main" and by the import path
// of its directory.
//
// [Open] fails with [ErrPattern] if a pattern is not valid. Patterns relative to a
// directory, such as ./..., are not valid.
func WithInclude(patterns ...string) Option {
	return func(o *options) { o.selection.include = o.selection.parse(o.selection.include, patterns) }
}

// WithExclude leaves out the packages that match any of the patterns, see [WithInclude],
// even if another option selects them.
func WithExclude(patterns ...string) Option {
	return func(o *options) { o.selection.exclude = o.selection.parse(o.selection.exclude, patterns) }
}

// WithAgentVersion sets language_specifics.agent_version of every root scope.
func WithAgentVersion(version string) Option {
	return func(o *options) { o.agentVersion = version }
}

// WithDebugDirectories replaces the list of directories with debug files of installed
// programs, which is /usr/lib/debug.
func WithDebugDirectories(dirs ...string) Option {
	return func(o *options) { o.debugDirs = dirs }
}

// WithCheckpoint sets a function that is called regularly, about every 0.2 ms, while the
// binary is opened and while a range over [Binary.Packages] builds a package. It may
// wait, to pace the work, and its error ends the work. Concurrent ranges call it
// concurrently.
func WithCheckpoint(check func() error) Option {
	return func(o *options) { o.checkpoint = check }
}

// WithTempDir sets the directory of the temporary file that holds the debug sections. The
// default is [os.TempDir].
func WithTempDir(dir string) Option {
	return func(o *options) { o.tempDir = dir }
}

// WithMaxMemory limits the memory of a Binary, in bytes: its index, and debug sections if
// they can't be in a temporary file. [Open] fails with [ErrMaxMemory] if it needs more. The
// scope being built is not counted. The default, 0, is no limit.
func WithMaxMemory(bytes int64) Option {
	return func(o *options) { o.memory = newAllowance(bytes) }
}
