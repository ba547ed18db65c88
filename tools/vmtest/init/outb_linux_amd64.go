package main

// outb writes a byte to an I/O port; ioperm must have allowed it to this thread.
func outb(port uint16, value byte)
