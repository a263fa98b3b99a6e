// Package gosym reads the scopes of a Go program from the DWARF in its binary:
// packages, functions, types with their fields and methods, arguments, local
// variables and blocks, with the source lines on which each can be observed.
//
// Start with [Open], then range over [Binary.Packages]. A package at a time is
// built and handed over, so that the scopes of a large program never stand in
// memory together. What does stand in memory, until [Binary.Close], are the
// debug sections, uncompressed, and an index of names and offsets.
//
// # How Go becomes scopes
//
// A root scope is a package: scope_type "package", its name the import path,
// or "main". Below it lie first the functions, then the types, each sorted by
// name.
//
//   - "function": its name is what follows the package path, `Open`, or
//     `Open.func1` for a closure: closures are functions of their package, not
//     children of the function that made them. go_qualified_name is the
//     linker's name, `example.com/m/pkg.Open.func1`. Arguments come first, then
//     results, which the compiler calls ~r0, ~r1 where the source gives no
//     name, then local variables; all but the last are of symbol_type "arg".
//   - "struct": a struct type, or any other type that has methods. The name is
//     the type's qualified name, as symbols of that type have it. Symbols are
//     the fields, scopes are the methods (and the closures in them, such as
//     `Read.func1`). DWARF does not say where a type was declared.
//   - "method": as a function; go_qualified_name tells the receiver,
//     `example.com/m/pkg.(*File).Read`.
//   - "local": a block that declares variables; its name is empty.
//
// A function is listed once, however often it was inlined; one that was only
// inlined is listed too. Its lines, and the lines where its variables have a
// value, are those of all its copies together. The blocks of a function that
// was only inlined are not known: its variables then are all its own.
//
// Instances of a generic function or type are one scope, `Map[...]`, with the
// variables of its first instance and the lines of all of them. A type that
// depends on the type arguments is written `<T>`.
//
// Left out is what nobody wrote: wrappers, equality functions, temporary
// variables; and what is not Go: assembly and C. So is what the DWARF leaves in doubt:
// the arguments of a function literal in one line that may be captured variables, and
// the copies of a literal beside another one of the same line.
//
// The package does not look at running processes and does not read the symbol
// table: use debug/elf or debug/gosym of the standard library for that.
package gosym
