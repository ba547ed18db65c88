#!/bin/sh
# Builds the sample binaries, and records what binutils say of them: the tests' witness. Debian 12's gcc and binutils.
set -eu
cd "$(dirname "$0")"
flags="-O2 -fPIC -shared -nostdlib -fdebug-prefix-map=$PWD=. -Wl,--version-script=sample.map -Wl,-soname,libsample.so.1 -Wl,--build-id=sha1 -Wl,-z,noseparate-code -Wl,-z,max-page-size=4096"
gcc -g $flags -o libsample.so sample.c
gcc -gdwarf-2 -gstrict-dwarf $flags -o libsample.dwarf2.so sample.c
gcc -gdwarf-4 -gz $flags -o libsample.dwarf4z.so sample.c
objcopy --compress-debug-sections=zstd libsample.so libsample.zstd.so
objcopy --only-keep-debug libsample.so libsample.so.debug
cp libsample.so libsample.stripped.so
objcopy --strip-all --add-gnu-debuglink=libsample.so.debug libsample.stripped.so
gcc -O2 -c -o object.o sample.c
printf 'int f(void) { return 1; }\n' | gcc -m32 -shared -nostdlib -o lib32.so -x c -
nm libsample.so >libsample.nm
nm -D --with-symbol-versions libsample.so >libsample.nm-D
readelf -nW libsample.so >libsample.notes
readelf -lW libsample.so >libsample.segments
