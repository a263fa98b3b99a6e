package assembly

// Add is written in assembly.
func Add(a, b int) int
