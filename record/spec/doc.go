// Package spec turns probe text into a syntax tree: statements, their probes, filters and fields, with their places in the text.
//
//	[name =] probe[, probe] [/filter/] [{ field = expression, ... }]
//
// It knows the language's form and nothing about the host: whether a name exists there is for package resolve to say.
//
// It imports the standard library, schemas and schemas/expr.
package spec
