//go:build !linux

package container

// Own returns the zero Identity: only Linux has cgroups.
func Own() Identity { return Identity{} }
