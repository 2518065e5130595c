package arrowredis_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	arrowredis "github.com/arrowredis/arrowredis/bindings/go"
)

const typesTable = "testdata/types.md"

// Every Arrow type that pyarrow has, with and without nulls: a file of pyarrow's is read through the library, and what
// Go has got then is written by arrow-go ("read") and published through the library ("publish"). pyarrow judges both.
// The outcome is the committed table; ARROWREDIS_UPDATE=1 writes it anew.
func TestTypesAreWhatPyarrowReads(t *testing.T) {
	folder := t.TempDir()
	var made struct{ Types, Cases []string }
	if err := json.Unmarshal([]byte(python(t, "arrow_types.py", "make", folder)), &made); err != nil {
		t.Fatal(err)
	}
	store := openStore(t, "memory://types")
	failures := map[string]string{}
	for number := range made.Types {
		for _, kind := range made.Cases {
			name := fmt.Sprintf("%d.%s", number, kind)
			for _, way := range ways(kind) {
				if err := passOn(t, store, filepath.Join(folder, name), kind == "sliced", way); err != nil {
					failures[name+"."+way] = err.Error()
				}
			}
		}
	}
	judged := map[string]string{}
	if err := json.Unmarshal([]byte(python(t, "arrow_types.py", "judge", folder)), &judged); err != nil {
		t.Fatal(err)
	}
	var notes []string
	var lines strings.Builder
	fmt.Fprintf(&lines, "| type | %s |\n| --- |%s\n", strings.Join(made.Cases, " | "), strings.Repeat(" --- |", len(made.Cases)))
	for number, name := range made.Types {
		cells := []string{"`" + name + "`"}
		for _, kind := range made.Cases {
			cells = append(cells, cell(fmt.Sprintf("%d.%s", number, kind), ways(kind), failures, judged, &notes))
		}
		fmt.Fprintf(&lines, "| %s |\n", strings.Join(cells, " | "))
	}
	compareTable(t, lines.String(), notes)
}

// ways are what is judged of a case. The slice is made in Go, so that there is nothing new to read of it.
func ways(kind string) []string {
	if kind == "sliced" {
		return []string{"publish"}
	}
	return []string{"read", "publish"}
}

func cell(name string, ways []string, failures, judged map[string]string, notes *[]string) string {
	var found []string
	for _, way := range ways {
		text, failed := failures[name+"."+way]
		if !failed {
			verdict, judged := judged[name+"."+way+".arrow"]
			if !judged {
				text = "was not judged"
			}
			text += verdict
		}
		if text != "" {
			found = append(found, fmt.Sprintf("%s: [%d]", way, note(notes, text)))
		}
	}
	if len(found) == 0 {
		return "="
	}
	return strings.Join(found, ", ")
}

func note(notes *[]string, text string) int {
	for i, other := range *notes {
		if other == text {
			return i + 1
		}
	}
	*notes = append(*notes, text)
	return len(*notes)
}

func compareTable(t *testing.T, table string, notes []string) {
	t.Helper()
	text := "# What Go reads and publishes, judged by pyarrow\n\n" +
		"`=`: what arrow-go got from the library, and what Go published, both equal what pyarrow reads.\n" +
		"Otherwise the error of one of the two, in full. Made by `types_test.go`.\n\n" + table
	for i, note := range notes {
		text += fmt.Sprintf("\n%d. %s\n", i+1, note)
	}
	if os.Getenv("ARROWREDIS_UPDATE") != "" {
		if err := os.WriteFile(typesTable, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	committed, err := os.ReadFile(typesTable)
	if err != nil {
		t.Fatal(err)
	}
	if string(committed) != text {
		t.Fatalf("%s is not what was found, which is:\n%s", typesTable, text)
	}
}

// passOn reads a file through the library and writes its only batch again, as a file NAME.WAY.arrow.
func passOn(t *testing.T, store *arrowredis.Store, name string, sliced bool, way string) error {
	reader, err := arrowredis.ReadFile(t.Context(), name+".arrow", nil)
	if err != nil {
		return err
	}
	defer reader.Release()
	var batches []arrow.RecordBatch
	for reader.Next() {
		batch := reader.RecordBatch()
		if sliced {
			batch = batch.NewSlice(2, 5)
			defer batch.Release()
		} else {
			batch.Retain()
			defer batch.Release()
		}
		batches = append(batches, batch)
	}
	if err := reader.Err(); err != nil {
		return err
	}
	target := name + "." + way + ".arrow"
	if way == "read" {
		return writeFile(target, reader.Schema(), batches)
	}
	source, err := array.NewRecordReader(reader.Schema(), batches)
	if err != nil {
		return err
	}
	defer source.Release()
	if _, err := store.Split(t.Context(), "types", source, &arrowredis.SplitOptions{Overwrite: true}); err != nil {
		return errors.New(regexp.MustCompile(`types:\{.*?\}\S*`).ReplaceAllString(err.Error(), "CHUNK"))
	}
	dataset := openDataset(t, store, "types")
	_, err = dataset.ReadToFile(t.Context(), target, "none", nil)
	return err
}

func writeFile(path string, schema *arrow.Schema, batches []arrow.RecordBatch) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	writer, err := ipc.NewFileWriter(file, ipc.WithSchema(schema))
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	for _, batch := range batches {
		if err := writer.Write(batch); err != nil {
			return errors.Join(err, os.Remove(path))
		}
	}
	return writer.Close()
}
