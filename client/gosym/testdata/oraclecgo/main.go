// Command oraclecgo calls C.
package main

/*
#include <errno.h>
#include <stdlib.h>

typedef struct { int x; double y; } point;
typedef struct node { struct node *next; int val; } node;
enum color { RED, GREEN };

static int add(int a, int b) { return a + b; }
static node *make(int val) { node *n = calloc(1, sizeof *n); n->val = val; return n; }
static int fail(int n) { errno = EINVAL; return n; }
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
	_, _ = (&list{}).push(n)
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

type list struct {
	head  *C.node
	color C.enum_color
	three [3]C.int
}

//go:noinline
func (l *list) push(val int) (before *C.node, err error) {
	before = l.head
	n := C.make(C.int(val))
	n.next = before
	l.head = n
	if _, err := C.fail(1); err != nil {
		defer func() { C.free(unsafe.Pointer(C.CString("x"))) }()
		return before, err
	}
	for node := range l.all {
		doubled := C.add(node.val, node.val)
		three, _ := func() (C.int, error) { a, b := C.fail(doubled); return a, b }()
		l.three[0] += three
	}
	return
}

func (l *list) all(yield func(*C.node) bool) {
	for n := l.head; n != nil; n = n.next {
		if !yield(n) {
			return
		}
	}
}
