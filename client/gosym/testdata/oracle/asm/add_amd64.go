package asm

//go:noescape
func add(a, b int) int
