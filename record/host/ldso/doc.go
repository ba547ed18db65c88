// Package ldso finds libraries as the dynamic loader of glibc does: by its cache, /etc/ld.so.cache.
//
// It imports the standard library only and reads bytes, so it is tested on any system. The bytes are not trusted.
package ldso
