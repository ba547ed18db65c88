package segment

import (
	"encoding/binary"
	"math/bits"
)

// matcher compresses columns of numbers into LZ4 blocks, twice as fast as a compressor that knows nothing of what it compresses, and as well. It
// takes 8 bytes at a time, as one number of 64 bits or some narrower ones, and looks for those that were there before, or whose upper bytes
// were: of counters, addresses and small numbers the upper bytes repeat. What it writes any LZ4 decompressor reads.
//
// It is for little-endian hosts, where upper bytes come last.
type matcher struct {
	whole [1 << matcherBits]uint16 // by hash of a word: where it was last, in words; 0 also: not yet
	upper [1 << matcherBits]uint16 // by hash of a word's upper 5 bytes
}

const (
	matcherBits = 12

	// LZ4's rules for a block's end: no match begins in the last 12 bytes, none reaches into the last 5.
	lz4LastMatch    = 12
	lz4LastLiterals = 5
	lz4MinMatch     = 4

	wordBytes  = 8
	lowerBytes = 3 // those that are not in upper's keys
)

func matchHash(v uint64) uint64 { return v * 0x9E3779B185EBCA87 >> (64 - matcherBits) }

// lz4Bound is the most bytes that a block of n can become, and what is written behind its end.
func lz4Bound(n int) int { return n + n/255 + 32 }

// block compresses src, at most lz4Block bytes, into dst, which has lz4Bound(len(src)) bytes. It returns the length.
//
// For each word:
//
//  1. Find the last place of the same word, else of one with the same upper 5 bytes.
//  2. Count how many bytes, from the upper end, are the same there. Fewer than 4 are no match in LZ4: the word becomes literals.
//  3. Go on word by word while the next ones are the same in both places.
//  4. Write what lies between the match before and this one as literals, and the match.
//
// Matches end where words end. A slot that was not used yet leads to the first word, which is as good a guess as any.
func (m *matcher) block(dst, src []byte) int {
	clear(m.whole[:])
	clear(m.upper[:])
	words := numbersOf[uint64](src)
	words = words[:max(0, len(src)-lz4LastMatch+lz4MinMatch)/wordBytes] // those whose upper bytes may be a match
	out, anchor := 0, 0
	for at := 1; at < len(words); at++ {
		v := words[at]
		wholeSlot, upperSlot := &m.whole[matchHash(v)], &m.upper[matchHash(v>>(8*lowerBytes))]
		whole, from := int(*wholeSlot), int(*upperSlot)
		*wholeSlot, *upperSlot = uint16(at), uint16(at)
		if words[whole] == v {
			from = whole
		}
		differ := (64 + 7 - bits.LeadingZeros64(v^words[from])) / 8 // lower bytes
		if differ > wordBytes-lz4MinMatch {
			continue
		}
		offset, end := at-from, at+1
		for end < len(words) && words[end] == words[end-offset] {
			end++
		}
		literals, length := at*wordBytes+differ-anchor, (end-at)*wordBytes-differ-lz4MinMatch
		if literals <= wordBytes && length < 15 {
			d := (*[2 * wordBytes]byte)(dst[out:])
			d[0] = byte(literals<<4 | length)
			binary.LittleEndian.PutUint64(d[1:], binary.LittleEndian.Uint64(src[anchor:]))
			binary.LittleEndian.PutUint16(d[1+literals&15:], uint16(offset*wordBytes))
			out += 3 + literals
		} else {
			out = sequence(dst, out, src[anchor:at*wordBytes+differ], offset*wordBytes, length)
		}
		anchor = end * wordBytes
		at = end - 1
	}
	return lastLiterals(dst, out, src[anchor:])
}

// sequence writes literals and a match of LZ4's least length and some more, and returns where it ends.
func sequence(dst []byte, out int, literals []byte, offset, more int) int {
	dst[out] = byte(min(len(literals), 15)<<4 | min(more, 15))
	out = lz4Length(dst, out+1, len(literals))
	out += copy(dst[out:], literals)
	binary.LittleEndian.PutUint16(dst[out:], uint16(offset))
	return lz4Length(dst, out+2, more)
}

func lastLiterals(dst []byte, out int, literals []byte) int {
	dst[out] = byte(min(len(literals), 15) << 4)
	out = lz4Length(dst, out+1, len(literals))
	return out + copy(dst[out:], literals)
}

// lz4Length writes what of a length is too much for the token.
func lz4Length(dst []byte, out, n int) int {
	if n < 15 {
		return out
	}
	for n -= 15; n >= 255; n -= 255 {
		dst[out] = 255
		out++
	}
	dst[out] = byte(n)
	return out + 1
}
