// Package bench is what the Go programs of benches/compare share: command line and report, those of the Python peers.
package bench

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
)

// Flags are what a program is asked to read.
type Flags struct {
	RedisURL   string
	Prefix     string
	Partitions []string // all if empty
	Columns    []string // all if empty
	Batches    int
}

// Outcome is what a read moved.
type Outcome struct {
	Rows         int64 `json:"rows"`
	Chunks       int64 `json:"chunks"`
	PayloadBytes int64 `json:"payload_bytes"`
}

// Main runs a job, without its start, and prints one JSON object.
func Main(prepare func(Flags) (job func() (Outcome, error), err error)) {
	flags := Flags{}
	flag.String("file", "", "not looked at")
	flag.StringVar(&flags.RedisURL, "redis-url", "redis://127.0.0.1:6379/0", "the server")
	flag.StringVar(&flags.Prefix, "prefix", "bench", "of the keys")
	partitions := flag.String("partitions", "all", "0,1,2 or all")
	columns := flag.String("columns", "", "a,b; all unless given")
	flag.IntVar(&flags.Batches, "batches", 16, "per partition")
	flag.Parse()
	if *partitions != "all" {
		flags.Partitions = strings.Split(*partitions, ",")
	}
	if *columns != "" {
		flags.Columns = strings.Split(*columns, ",")
	}
	if err := run(flags, prepare); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(flags Flags, prepare func(Flags) (func() (Outcome, error), error)) error {
	job, err := prepare(flags)
	if err != nil {
		return err
	}
	start := time.Now()
	outcome, err := job()
	if err != nil {
		return err
	}
	report := struct {
		Outcome
		TotalSeconds float64 `json:"total_seconds"`
	}{outcome, time.Since(start).Seconds()}
	return json.NewEncoder(os.Stdout).Encode(report)
}
