// Package test drives the built program from outside, as a person does: it records programs that know what they do, and reads what the
// program says of them. Its tests need root; they run on this machine (PROBETAPE names another program than bin/probetape) and in the
// machines of the kernel matrix.
//
// It imports the standard library and test/programs only.
package test
