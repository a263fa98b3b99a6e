package gosym

import (
	"debug/dwarf"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// MaxPartBytes limits the scopes of Parts.
const MaxPartBytes = maxPartBytes

// CompareWithDwarf also reads all entries, PC ranges and line tables of a program with
// package debug/dwarf. It returns the differences.
func CompareWithDwarf(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	stat, err := file.Stat()
	if err != nil {
		return err
	}
	o, _ := newOptions(nil)
	obj, err := readObject(&source{file, stat.Size(), path}, o, unchecked())
	if err != nil {
		return err
	}
	defer obj.spool.release()
	defer obj.spool.seal()
	d := obj.dwarf
	for name, content := range map[string][]byte{
		".debug_addr": d.sections.addr, ".debug_str_offsets": d.sections.strOffsets, ".debug_rnglists": d.sections.rnglists,
	} {
		if err := d.AddSection(name, content); err != nil {
			return err
		}
	}
	ours, theirs := d.reader(unchecked()), d.Reader()
	for {
		want, err := theirs.Next()
		if err != nil {
			return err
		}
		var got entry
		if ok, err := ours.next(&got); err != nil || ok != (want != nil) {
			return fmt.Errorf("entry: %v, %w, want %v", ok, err, want)
		}
		if want == nil {
			return nil
		}
		if err := compareEntry(d, &got, want); err != nil {
			return fmt.Errorf("entry at %#x: %w", want.Offset, err)
		}
		if beginsUnit(&got) {
			if err := compareLines(d, want, newUnit(&got, &ours.root)); err != nil {
				return fmt.Errorf("lines of %s: %w", got.name, err)
			}
		}
	}
}

func compareEntry(d *debugInfo, got *entry, want *dwarf.Entry) error {
	if want.Tag == 0 {
		if got.tag != 0 {
			return fmt.Errorf("%v, want the end of a list", got.tag)
		}
		return nil
	}
	type attributes struct {
		offset             dwarf.Offset
		tag                dwarf.Tag
		children           bool
		fields             int
		name               string
		line, file         int64
		origin, typ        dwarf.Offset
		expression         string
		list               int64
		inline, trampoline bool
		captured, result   bool
		isStruct           bool
	}
	theirs := attributes{offset: want.Offset, tag: want.Tag, children: want.Children, fields: len(want.Field), file: -1}
	theirs.name, _ = want.Val(dwarf.AttrName).(string)
	theirs.line, _ = want.Val(dwarf.AttrDeclLine).(int64)
	if file, ok := want.Val(dwarf.AttrDeclFile).(int64); ok {
		theirs.file = file
	}
	theirs.origin, _ = want.Val(dwarf.AttrAbstractOrigin).(dwarf.Offset)
	theirs.typ, _ = want.Val(dwarf.AttrType).(dwarf.Offset)
	expression, _ := want.Val(dwarf.AttrLocation).([]byte)
	theirs.expression = string(expression)
	theirs.list, _ = want.Val(dwarf.AttrLocation).(int64)
	theirs.inline = want.Val(dwarf.AttrInline) != nil
	theirs.trampoline = want.Val(dwarf.AttrTrampoline) != nil
	theirs.captured = want.Val(attrGoClosureOffset) != nil
	theirs.result, _ = want.Val(dwarf.AttrVarParam).(bool)
	theirs.isStruct = want.Val(attrGoKind) == int64(goKindStruct)
	ours := attributes{
		got.offset, got.tag, got.children, int(got.fieldCount), got.name, int64(got.line), int64(got.file),
		got.origin, got.typ, string(got.expression), got.list,
		got.has&isInline != 0, got.has&isTrampoline != 0, got.has&isCaptured != 0, got.has&isResult != 0, got.has&isGoStruct != 0,
	}
	if ours != theirs {
		return fmt.Errorf("%+v, want %+v", ours, theirs)
	}
	code, err := d.ranges(nil, got, unchecked())
	if err != nil {
		return err
	}
	wantCode, err := d.Ranges(want)
	if err != nil {
		return err
	}
	if !slices.Equal(sortRanges(code), sortRanges(wantCode)) {
		return fmt.Errorf("PC ranges %#x, want %#x", code, wantCode)
	}
	return nil
}

// compareLines compares the rows of a unit, which are in sequences.
func compareLines(d *debugInfo, root *dwarf.Entry, u unit) error {
	all := newFiles()
	table, err := readLineTable(d, &u, all)
	if err != nil || table.program == nil {
		return err
	}
	lr, err := d.LineReader(root)
	if err != nil {
		return err
	}
	ours, theirs := &lineRows{check: unchecked(), table: table}, &lineRows{check: unchecked(), table: table}
	for offset := 0; offset < len(table.program.code); {
		ours.reset()
		theirs.reset()
		if offset, err = table.program.sequence(offset, ours); err != nil {
			return err
		}
		for !theirs.ended {
			var e dwarf.LineEntry
			if err := lr.Next(&e); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return err
			}
			if e.EndSequence {
				theirs.end(e.Address)
				continue
			}
			number := -1
			if e.File != nil {
				path, err := all.number(e.File.Name)
				if err != nil {
					return err
				}
				number = slices.Index(table.files, path)
			}
			theirs.add(e.Address, e.Line, number, e.IsStmt)
		}
		if ours.ended != theirs.ended || !slices.Equal(ours.rows, theirs.rows) {
			return fmt.Errorf("rows %v, want %v", ours.rows, theirs.rows)
		}
	}
	return nil
}
