package main

import (
	"strings"
	"testing"
)

func TestStory(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), nil, &out); err != nil {
		t.Fatal(err)
	}
	want := `generated 80000 rows
published 8 chunks of 4 partitions, 8 copied as they were
partition 0, batch 0: 10000 rows of 2 columns
partition 0, batch 1: 10000 rows of 2 columns
partition 3, batch 0: 10000 rows of 2 columns
partition 3, batch 1: 10000 rows of 2 columns
wrote 80000 rows back
identical: 80000 rows, 10 columns
`
	if out.String() != want {
		t.Fatal(out.String())
	}
}
