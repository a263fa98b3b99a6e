// Command oraclecgo calls C.
package main

/*
#include <stdlib.h>

typedef struct { int x; double y; } point;

static int add(int a, int b) { return a + b; }
static int sum(point *p) { return p->x + (int)p->y; }
extern int callGo(int);
*/
import "C"

import (
	"os"
	"unsafe"
)

func main() {
	n := len(os.Args)
	os.Exit(int(total(n)) * 0)
}

//go:noinline
func total(n int) C.int {
	first := C.add(C.int(n), 2)
	p := C.point{x: first, y: 2.5}
	second := C.sum(&p)
	list := []C.int{first, second}
	text := C.CString("text")
	defer C.free(unsafe.Pointer(text))
	third, err := C.sum((*C.point)(unsafe.Pointer(&p)))
	if err != nil {
		return list[0]
	}
	each := func(m C.int) C.int {
		return C.add(m, third)
	}
	return each(second) + C.int(length(text))
}

func length(text *C.char) int {
	s := C.GoString(text)
	return len(s)
}

//export callGo
func callGo(n C.int) C.int {
	twice := n * 2
	return twice
}
