// Command oracle has one of each kind of thing that package gosym must list right.
package main

import (
	"os"

	"example.com/oracle/across"
	"example.com/oracle/asm"
	"example.com/oracle/blocks"
	"example.com/oracle/closures"
	"example.com/oracle/generic"
	"example.com/oracle/lines"
	"example.com/oracle/loops"
	"example.com/oracle/named"
	"example.com/oracle/parts"
	"example.com/oracle/results"
)

func main() {
	n := len(os.Args)
	results.All(n)
	generic.All(n)
	loops.All(n)
	closures.All(n)
	lines.All(n)
	blocks.All(n)
	parts.All(n)
	asm.All(n)
	across.All(n)
	named.All(n)
}
