// Package examples holds the programs in its folders, and tests of those in the README and in docs/s3.md.
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

// program is the Go program of a text, with something else in place of what is the reader's.
func program(t *testing.T, path, theirs, ours string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n```go\n")
	code, _, closed := strings.Cut(rest, "\n```\n")
	if !found || !closed || strings.Count(code, theirs) != 1 {
		t.Fatalf("%s has no Go program with %s", path, theirs)
	}
	return strings.Replace(code, theirs, ours, 1) + "\n"
}

// output runs a program; gives what it prints.
func output(t *testing.T, code string, environment ...string) string {
	t.Helper()
	// Within the module, so that its imports are found.
	folder, err := os.MkdirTemp(".", "readme-")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	path := filepath.Join(folder, "main.go")
	if err := os.WriteFile(path, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	if unformatted, err := exec.Command("gofmt", "-l", path).CombinedOutput(); err != nil || len(unformatted) != 0 {
		t.Fatalf("%s, %v", unformatted, err)
	}
	var printed, failure bytes.Buffer
	run := exec.Command("go", "run", path)
	run.Env = append(os.Environ(), environment...)
	run.Stdout, run.Stderr = &printed, &failure
	if err := run.Run(); err != nil {
		t.Fatalf("%v: %s", err, failure.String())
	}
	return printed.String()
}

func startRedis(t *testing.T) (url string) {
	t.Helper()
	folder := t.TempDir()
	socket := filepath.Join(folder, "redis.sock")
	server := exec.Command("redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder)
	start(t, server, "unix", socket)
	return "unix://" + socket
}

// start runs a server until the test ends; it answers at the address when this returns.
func start(t *testing.T, server *exec.Cmd, network, address string) {
	t.Helper()
	if err := server.Start(); err != nil {
		t.Fatalf("%s cannot be started (make setup brings what tests need): %v", server.Path, err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	for range 1000 {
		if connection, err := net.Dial(network, address); err == nil {
			_ = connection.Close()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s does not answer", server.Path)
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
	printed := output(t, program(t, "../../README.md", "redis://127.0.0.1:6379", url))
	if want := "1000 rows, the first: 6000\n1000 rows, the first: 7000\n"; printed != want {
		t.Fatal(printed)
	}
}

// startS3 starts a server of S3; gives the address.
func startS3(t *testing.T, region, accessKey, secretKey string) string {
	t.Helper()
	server, err := filepath.Abs("../../.tools/versitygw")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for _, name := range []string{"data/my-bucket", "metadata"} {
		if err := os.MkdirAll(filepath.Join(folder, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := probe.Addr().String()
	_ = probe.Close()
	command := exec.Command(server, "--port", address, "--access", accessKey, "--secret", secretKey, "--region", region,
		"--quiet", "posix", "--sidecar", filepath.Join(folder, "metadata"), filepath.Join(folder, "data"))
	start(t, command, "tcp", address)
	return address
}

func TestTheProgramOnS3(t *testing.T) {
	options := &arrowredis.S3Options{AWSRegion: "eu-west-1", AWSAccessKey: "docs", AWSSecretKey: "docs-secret"}
	options.EndpointURL = "http://" + startS3(t, options.AWSRegion, options.AWSAccessKey, options.AWSSecretKey)
	file := filepath.Join(t.TempDir(), "demo.arrow")
	shape := &arrowredis.GenerateOptions{Partitions: 4, Batches: 2, Rows: 1000}
	if _, err := arrowredis.GenerateFile(t.Context(), file, shape); err != nil {
		t.Fatal(err)
	}
	const url = "s3://my-bucket/demo.arrow"
	if _, err := arrowredis.UploadFile(t.Context(), file, url, options); err != nil {
		t.Fatal(err)
	}
	code := program(t, "../../docs/s3.md", url, url)
	printed := output(t, code, "AWS_ENDPOINT_URL="+options.EndpointURL, "AWS_ACCESS_KEY_ID="+options.AWSAccessKey,
		"AWS_SECRET_ACCESS_KEY="+options.AWSSecretKey)
	if want := strings.Repeat("1000 rows, 2 columns\n", 4); printed != want {
		t.Fatal(printed)
	}
}
