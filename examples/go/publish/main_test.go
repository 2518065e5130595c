package main

import (
	"strings"
	"testing"
)

func TestPublish(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), nil, &out); err != nil {
		t.Fatal(err)
	}
	if want := "published 5 rows in 2 partitions\nHelsinki: 658000\nOulu: 209000\nTurku: 195000\n"; out.String() != want {
		t.Fatal(out.String())
	}
}
