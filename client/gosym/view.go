package gosym

import "unsafe"

// view returns b as a string without copying it. It is valid as long as b is, and b must
// not be changed.
func view(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // b is part of a section, which is read-only
}

// offsetIn returns where in a section a view of it begins. ok is false if it is a view of
// something else.
func offsetIn(section []byte, part string) (offset uintptr, ok bool) {
	begin := uintptr(unsafe.Pointer(unsafe.SliceData(section))) //nolint:gosec // only compared
	at := uintptr(unsafe.Pointer(unsafe.StringData(part)))      //nolint:gosec // only compared
	return at - begin, begin <= at && at < begin+uintptr(len(section))
}

// bytesOf returns the memory of a list without pointers.
func bytesOf[T any](list []T) []byte {
	var one T
	size := len(list) * int(unsafe.Sizeof(one))
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(list))), size) //nolint:gosec // as long as the list
}

// listOf returns the list without pointers that is at the beginning of a page.
func listOf[T any](page []byte) []T {
	var one T
	count := len(page) / int(unsafe.Sizeof(one))
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(page))), count) //nolint:gosec // aligned, and as long as the page
}
