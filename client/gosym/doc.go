// Package gosym reads the scopes of a Go program from the DWARF in its binary:
// packages, functions, types with their fields and methods, arguments, local
// variables and blocks, with the source lines where each can be observed.
//
// Start with [Open], or [OpenSelf] in a program that reads itself, then range
// over [Binary.Packages], which builds one package at a time, or over
// [Binary.Parts], which divides large packages. So the scopes of a large
// program are never all in memory at once.
//
// # Memory
//
// Until [Binary.Close], a Binary holds the uncompressed debug sections, which are
// about half as long as the executable, and an index of about 90 bytes for each
// function.
//
// The sections, and most of the index, are in a temporary file in [os.TempDir],
// or in the directory of [WithTempDir]. The file is mapped read-only, so the
// kernel can drop its pages. It has no name, so nothing is left of it after
// Close, or if the process is killed. Its size is at most 1 GiB, eight times
// the size of the executable, and the index. On tmpfs it takes memory after
// all.
//
// If no file can be created, written or mapped, as on a read-only root, on a
// full disk or on Windows, everything is in memory. [WithMaxMemory] limits
// that: [Open] then fails with [ErrMaxMemory].
//
// # How Go becomes scopes
//
// A root scope is a package: its scope_type is "package", its name the import
// path or "main". It contains first the functions, then the types, each sorted
// by name.
//
//   - "function": its name is without the package, such as `Open`, or
//     `Open.func1` for a closure. Closures are functions of their package, not
//     children of the function that made them. go_qualified_name is the
//     linker's name, `example.com/m/pkg.Open.func1`. Arguments come first, then
//     results, which the compiler names ~r0, ~r1 if the source does not, then
//     local variables. Arguments and results have symbol_type "arg".
//   - "struct": a struct type, or any other type with methods. The name is the
//     type's qualified name, the same as in symbols of that type. Symbols are
//     the fields, scopes are the methods and the closures in them, such as
//     `Read.func1`. DWARF does not record where a type is declared.
//   - "method": like a function; go_qualified_name has the receiver,
//     `example.com/m/pkg.(*File).Read`.
//   - "local": a block that declares variables. Its name is empty.
//
// A function is listed once, even if it was inlined, once or many times. Its
// lines, and the lines where its variables have a value, are from all copies.
// The blocks of a function that was always inlined are unknown, so all its
// variables belong to the function itself.
//
// Instances of a generic function or type are one scope, `Map[...]`, with the
// variables of the first instance and the lines of all. A type that depends on
// the type arguments is written `<T>`.
//
// Functions and variables made by the compiler are left out, such as wrappers,
// equality functions and temporary variables, and so are assembly and C. The
// package also leaves out what is ambiguous in the DWARF: the arguments of a
// function literal on one line that may be captured variables, and the copies
// of a literal that shares its line with another one.
//
// The package does not inspect running processes or read the symbol table: use
// debug/elf or debug/gosym of the standard library for that.
package gosym
