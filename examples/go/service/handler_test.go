package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	arrowredis "github.com/arrowredis/arrowredis/bindings/go"
)

// startRedis starts a server that listens on a Unix socket and stops with the test.
func startRedis(t *testing.T) (socket string) {
	t.Helper()
	folder := t.TempDir()
	socket = filepath.Join(folder, "redis.sock")
	server := exec.Command("redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	for range 1000 {
		if connection, err := net.Dial("unix", socket); err == nil {
			_ = connection.Close()
			return socket
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("redis-server does not answer")
	return ""
}

// serve publishes 2 partitions of so many batches of 1000 rows, and serves them.
func serve(t *testing.T, url string, batches int) *httptest.Server {
	t.Helper()
	store, err := arrowredis.OpenStore(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	source, err := arrowredis.Generate(t.Context(), &arrowredis.GenerateOptions{Partitions: 2, Batches: batches, Rows: 1000})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Release()
	if _, err := store.Split(t.Context(), "demo:v1", source, nil); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(newHandler(store))
	t.Cleanup(func() {
		server.Close()
		_ = store.Close()
	})
	return server
}

func get(t *testing.T, url, accept string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", accept)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

func TestTwoColumnsOfAPartition(t *testing.T) {
	server := serve(t, "unix://"+startRedis(t), 2)
	url := server.URL + "/datasets/demo:v1/partitions/1?columns=id64,bool_c"

	response := get(t, url, arrowStream)
	reader, err := ipc.NewReader(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Release()
	rows, first := int64(0), int64(-1)
	for reader.Next() {
		if first < 0 {
			first = reader.RecordBatch().Column(0).(*array.Int64).Value(0)
		}
		rows += reader.RecordBatch().NumRows()
	}
	if reader.Err() != nil || rows != 2000 || first != 2000 || reader.Schema().NumFields() != 2 {
		t.Fatal(reader.Err(), rows, first, reader.Schema())
	}

	response = get(t, url, "application/json")
	lines := bufio.NewScanner(response.Body)
	rows = 0
	for lines.Scan() {
		var row struct {
			ID64  int64 `json:"id64"`
			BoolC *bool `json:"bool_c"`
		}
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil || row.ID64 != 2000+rows || row.BoolC == nil {
			t.Fatal(err, lines.Text())
		}
		rows++
	}
	if lines.Err() != nil || rows != 2000 || response.Header.Get("Content-Type") != "application/json" {
		t.Fatal(lines.Err(), rows)
	}
}

func TestPrometheusFindsTheCounters(t *testing.T) {
	server := serve(t, "unix://"+startRedis(t), 1)
	response := get(t, server.URL+"/metrics", "text/plain")
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n# TYPE arrowredis_published_total counter\narrowredis_published_total ")
	var published int
	if _, err := fmt.Sscan(rest, &published); !found || err != nil || published < 1 {
		t.Fatalf("%d datasets published, %v: %s", published, err, text)
	}
}

func TestErrorsHaveAStatus(t *testing.T) {
	server := serve(t, "memory://errors", 1)
	for path, want := range map[string]string{
		"/datasets/nothing/partitions/1":            "404 NOT_FOUND",
		"/datasets/demo:v1/partitions/99":           "404 NOT_FOUND",
		"/datasets/demo:v1/partitions/1?columns=no": "404 NOT_FOUND",
		"/datasets/de*mo/partitions/1":              "400 INVALID_ARGUMENT",
	} {
		response := get(t, server.URL+path, "")
		var failure struct{ Code, Message string }
		if err := json.NewDecoder(response.Body).Decode(&failure); err != nil {
			t.Fatal(err)
		}
		if found := fmt.Sprint(response.StatusCode, " ", failure.Code); found != want || failure.Message == "" {
			t.Errorf("%s: %s: %s", path, found, failure.Message)
		}
	}
}

// A client that goes away in the middle of a response ends the read: the handler returns, and nothing is left.
func TestAClientThatGoesAwayCancelsTheRead(t *testing.T) {
	server := serve(t, "unix://"+startRedis(t), 500) // 14 MB, more than the sockets between hold
	const before = 1                                 // the store
	waitForHandles(t, before)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/datasets/demo:v1/partitions/0", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, response.Body, 1<<20); err != nil {
		t.Fatal(err)
	}
	if arrowredis.LiveHandles() <= before {
		t.Fatal("the read is over before its client went away")
	}
	cancel()
	_ = response.Body.Close()
	waitForHandles(t, before)
}

// waitForHandles waits until no more than so many native objects are alive; the library frees some from its threads.
func waitForHandles(t *testing.T, most int64) {
	t.Helper()
	for range 1000 {
		if arrowredis.LiveHandles() <= most {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%d handles are alive, and %d should be", arrowredis.LiveHandles(), most)
}

func TestTheServiceStartsAndStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx, "memory://service", "127.0.0.1:0") }()
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), "nothing://", "127.0.0.1:0"); err == nil || !strings.Contains(err.Error(), "INVALID_ARGUMENT") {
		t.Fatal(err)
	}
}
