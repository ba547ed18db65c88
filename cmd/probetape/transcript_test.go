package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the transcripts in testdata")

// TestTranscripts runs each command line ("$ probetape ...") of the transcripts in testdata and compares what it prints and its exit
// status ("=> 2"). They run in an empty folder with a few files: empty/ is an empty folder, folder/ holds a file, file is a file of text.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.transcript")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".transcript"), func(t *testing.T) {
			path, err := filepath.Abs(file)
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			enterFolder(t)
			got := replay(t, string(want))
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("transcript (-want +got):\n%s", diff)
			}
		})
	}
}

func enterFolder(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{"folder/notes": "not a capture\n", "file": "plain text\n"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir("empty", 0o755); err != nil {
		t.Fatal(err)
	}
}

// replay runs the command lines of a transcript, keeps its comments and empty lines, and writes what came out.
func replay(t *testing.T, transcript string) string {
	t.Helper()
	var out strings.Builder
	for line := range strings.Lines(transcript) {
		line = strings.TrimSuffix(line, "\n")
		command, isCommand := strings.CutPrefix(line, "$ ")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
			fmt.Fprintln(&out, line)
		case isCommand:
			var stdout, stderr bytes.Buffer
			status := run(shellWords(t, command), &stdout, &stderr)
			fmt.Fprintf(&out, "$ %s\n", command)
			for text := range strings.Lines(stdout.String()) {
				fmt.Fprintf(&out, "| %s\n", strings.TrimSuffix(text, "\n"))
			}
			for text := range strings.Lines(stderr.String()) {
				fmt.Fprintf(&out, "! %s\n", strings.TrimSuffix(text, "\n"))
			}
			fmt.Fprintf(&out, "=> %d\n", status)
		}
	}
	return out.String()
}

// shellWords takes a line apart at its spaces; single quotes keep a word together.
func shellWords(t *testing.T, line string) []string {
	t.Helper()
	var words []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			words = append(words, part)
			continue
		}
		words = append(words, strings.Fields(part)...)
	}
	if strings.Count(line, "'")%2 != 0 {
		t.Fatalf("a quote is not closed: %s", line)
	}
	return words
}

// TestWrongUsesSayWhatToDo holds every wrong use of the transcripts to the manner of all messages.
func TestWrongUsesSayWhatToDo(t *testing.T) {
	text, err := os.ReadFile("testdata/wrong-uses.transcript")
	if err != nil {
		t.Fatal(err)
	}
	cases := strings.Split(string(text), "$ ")[1:]
	if len(cases) < 30 {
		t.Errorf("%d wrong uses, want 30 at least", len(cases))
	}
	for _, c := range cases {
		if !strings.Contains(c, "\n=> 2\n") || !strings.Contains(c, "\n!   hint: ") && !strings.Contains(c, "\n!     hint: ") || strings.Contains(c, "failed to") {
			t.Errorf("want status 2 and a hint: %s", c)
		}
	}
}
