package analyze

// The $id of the JSON Schema of each report: schemas/json holds them. The number rises when a reader of the old one could misread the new.
const (
	SchemaSummary = "urn:probetape:summary:1"
	SchemaCounts  = "urn:probetape:counts:1"
	SchemaLatency = "urn:probetape:latency:1"
	SchemaEvents  = "urn:probetape:events:1"
)
