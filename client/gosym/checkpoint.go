package gosym

// checkpoint calls a function regularly during long work. It is for one goroutine.
type checkpoint struct {
	// check returns an error if the work should stop.
	check func() error
	// work is how much was done since the last call.
	work int
	// err is the function's first error.
	err error
}

// workPerCheck is the work between two calls, about 0.2 ms. A unit of work, such as an
// attribute of DWARF or a row of a line table, takes about 100 ns.
const workPerCheck = 2000

// shortSteps is how many short steps, such as comparing two numbers or names, are a unit of
// work.
const shortSteps = 16

// textBytes is how many bytes of text to look at are a unit of work.
const textBytes = 1 << 10

// workPerInstance is the work for looking at a function in the index.
const workPerInstance = 10

// workPerUnit is the work for the header of a unit's line table, without the files.
const workPerUnit = 50

// pass counts work, and returns the function's error.
func (c *checkpoint) pass(work int) error {
	if c.err != nil {
		return c.err
	}
	if c.work += work; c.work >= workPerCheck {
		c.work, c.err = 0, c.check()
	}
	return c.err
}
