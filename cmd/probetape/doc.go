// Command probetape records what a Linux host does into a capture, and analyses captures anywhere.
//
// It is the only package that knows flags, prints, and picks exit statuses; everything it does is a call into record, store
// or analyze. It is the only importer of urfave/cli. One file per command; exit.go alone maps errors to exit statuses.
package main
