// Package expr is the expression language that probe filters, captured fields, triggers and the queries of an analysis share: its
// lexer, syntax tree, parser, printer and diagnostics, the search for the name that was meant, and the evaluation over batches.
//
// The operators, their precedence and their meaning are C's, without assignment; added are durations (10ms), sizes (4KiB) and the
// match of a text against a glob (x ~ "a*").
//
// It imports the standard library and schemas only: it is used on the host that records and on the one that analyses.
package expr
