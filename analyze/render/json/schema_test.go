package json_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"probetape/analyze"
	render "probetape/analyze/render/json"
	"probetape/analyze/sourcetest"
)

// TestOutputFitsTheSchemas holds what is rendered of random captures against the schemas that are published for it.
func TestOutputFitsTheSchemas(t *testing.T) {
	ctx := context.Background()
	for seed := range uint64(8) {
		c := sourcetest.Random("random.tape", rand.New(rand.NewPCG(seed, 1)), 2000)
		sources := []analyze.Source{c}
		counts, err := analyze.Counts(ctx, sources, analyze.CountsOptions{By: []string{"table", "site", "comm"}, Top: 7})
		check(t, "counts", err, func(b *bytes.Buffer) error { return render.Write(b, counts) })
		latency, err := analyze.Latency(ctx, sources, analyze.LatencyOptions{Buckets: true})
		check(t, "latency", err, func(b *bytes.Buffer) error { return render.Write(b, latency) })
		summary, err := analyze.Summary(ctx, sources, analyze.SummaryOptions{Top: 5})
		check(t, "summary", err, func(b *bytes.Buffer) error { return render.Write(b, summary) })
		events, err := analyze.Events(ctx, sources, analyze.EventsOptions{Limit: 500})
		check(t, "events", err, func(b *bytes.Buffer) error { return render.Events(b, events) })
	}
}

func check(t *testing.T, kind string, err error, write func(*bytes.Buffer) error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", kind, err)
	}
	var out bytes.Buffer
	if err := write(&out); err != nil {
		t.Fatalf("%s: %v", kind, err)
	}
	text, err := os.ReadFile("../../../schemas/json/" + kind + ".schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(out.Bytes(), &value); err != nil {
		t.Fatalf("%s: the output is not JSON: %v", kind, err)
	}
	if err := fits(schema, value, kind); err != nil {
		t.Error(err)
	}
}

// fits is as much of a validator (draft 2020-12) as the schemas use; a keyword that it does not know is an error.
func fits(schema map[string]any, v any, at string) error {
	for keyword, want := range schema {
		if err := fitsKeyword(schema, keyword, want, v, at); err != nil {
			return err
		}
	}
	return nil
}

func fitsKeyword(schema map[string]any, keyword string, want, v any, at string) error {
	switch keyword {
	case "$schema", "$id", "title", "description":
	case "const":
		if v != want {
			return fmt.Errorf("%s: %v, want %v", at, v, want)
		}
	case "enum":
		for _, w := range want.([]any) {
			if v == w {
				return nil
			}
		}
		return fmt.Errorf("%s: %v is none of %v", at, v, want)
	case "type":
		types, ok := want.([]any)
		if !ok {
			types = []any{want}
		}
		for _, name := range types {
			if isType(v, name.(string)) {
				return nil
			}
		}
		return fmt.Errorf("%s: %v is no %v", at, v, want)
	case "minimum":
		if n, ok := v.(float64); ok && n < want.(float64) {
			return fmt.Errorf("%s: %v is below %v", at, v, want)
		}
	case "anyOf":
		var err error
		for _, s := range want.([]any) {
			if err = fits(s.(map[string]any), v, at); err == nil {
				return nil
			}
		}
		return err
	case "items":
		list, _ := v.([]any)
		for i, item := range list {
			if err := fits(want.(map[string]any), item, fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
	case "required":
		o, _ := v.(map[string]any)
		for _, name := range want.([]any) {
			if _, ok := o[name.(string)]; o != nil && !ok {
				return fmt.Errorf("%s: no key %q", at, name)
			}
		}
	case "properties", "additionalProperties":
		return fitsMembers(schema, keyword, v, at)
	default:
		return fmt.Errorf("%s: the validator does not know %q", at, keyword)
	}
	return nil
}

func fitsMembers(schema map[string]any, keyword string, v any, at string) error {
	o, _ := v.(map[string]any)
	properties, _ := schema["properties"].(map[string]any)
	for name, value := range o {
		s, described := properties[name]
		if keyword == "additionalProperties" {
			if described {
				continue
			}
			if s = schema[keyword]; s == false {
				return fmt.Errorf("%s: key %q is not described", at, name)
			}
		} else if !described {
			continue
		}
		if err := fits(s.(map[string]any), value, at+"."+name); err != nil {
			return err
		}
	}
	return nil
}

func isType(v any, name string) bool {
	switch v := v.(type) {
	case nil:
		return name == "null"
	case string:
		return name == "string"
	case bool:
		return name == "boolean"
	case float64:
		return name == "number" || name == "integer" && v == float64(int64(v))
	case []any:
		return name == "array"
	case map[string]any:
		return name == "object"
	}
	return false
}
