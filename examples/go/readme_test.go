// Package examples holds the programs in its folders, and this test of the one in the README.
package examples

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	arrowredis "github.com/arrowredis/arrowredis/bindings/go"
)

// program is the README's Go program, with another server in place of the reader's.
func program(t *testing.T, url string) string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(readme), "\n```go\n")
	code, _, closed := strings.Cut(rest, "\n```\n")
	if !found || !closed || strings.Count(code, "redis://127.0.0.1:6379") != 1 {
		t.Fatal("the README has no Go program")
	}
	return strings.Replace(code, "redis://127.0.0.1:6379", url, 1) + "\n"
}

func startRedis(t *testing.T) (url string) {
	t.Helper()
	folder := t.TempDir()
	socket := filepath.Join(folder, "redis.sock")
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
			return "unix://" + socket
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("redis-server does not answer")
	return ""
}

func TestTheProgramInTheReadme(t *testing.T) {
	url := startRedis(t)
	store, err := arrowredis.OpenStore(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	source, err := arrowredis.Generate(t.Context(), &arrowredis.GenerateOptions{Partitions: 4, Batches: 2, Rows: 1000})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Release()
	if _, err := store.Split(t.Context(), "demo:v1", source, nil); err != nil {
		t.Fatal(err)
	}
	// Within the module, so that its imports are found.
	folder, err := os.MkdirTemp(".", "readme-")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	path := filepath.Join(folder, "main.go")
	if err := os.WriteFile(path, []byte(program(t, url)), 0o600); err != nil {
		t.Fatal(err)
	}
	if unformatted, err := exec.Command("gofmt", "-l", path).CombinedOutput(); err != nil || len(unformatted) != 0 {
		t.Fatalf("%s, %v", unformatted, err)
	}
	var printed, failure bytes.Buffer
	run := exec.Command("go", "run", path)
	run.Stdout, run.Stderr = &printed, &failure
	if err := run.Run(); err != nil {
		t.Fatalf("%v: %s", err, failure.String())
	}
	if want := "1000 rows, the first: 6000\n1000 rows, the first: 7000\n"; printed.String() != want {
		t.Fatal(printed.String())
	}
}
