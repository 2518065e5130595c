// Package peers tests the programs in its folders: what is compared must read the same.
package peers

import (
	"encoding/json"
	"net"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	arrowredis "github.com/arrowredis/arrowredis/bindings/go"

	"github.com/arrowredis/arrowredis/benches/peers/go/bench"
)

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

func TestBothReadTheSame(t *testing.T) {
	url := "unix://" + startRedis(t)
	store, err := arrowredis.OpenStore(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	bytes := map[string]int64{}
	for _, codec := range []string{"zstd", "lz4", "none"} {
		source, err := arrowredis.Generate(t.Context(), &arrowredis.GenerateOptions{
			Partitions: 3, Batches: 16, Rows: 500, DictStrings: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		report, err := store.Split(t.Context(), codec, source, &arrowredis.SplitOptions{Compression: codec})
		source.Release()
		if err != nil {
			t.Fatal(err)
		}
		bytes[codec] = int64(report.Metrics.PayloadBytes)
	}
	folder := t.TempDir()
	for _, program := range []string{"byhand", "ours"} {
		if output, err := exec.Command("go", "build", "-o", folder, "./"+program).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, output)
		}
		for codec, payload := range bytes {
			all := run(t, filepath.Join(folder, program), "--redis-url", url, "--prefix", codec)
			if want := (bench.Outcome{Rows: 24_000, Chunks: 48, PayloadBytes: payload}); all != want {
				t.Errorf("%s, %s: %+v", program, codec, all)
			}
			part := run(t, filepath.Join(folder, program), "--redis-url", url, "--prefix", codec, "--partitions", "0,2")
			if part.Rows != 16_000 || part.Chunks != 32 {
				t.Errorf("%s, %s: %+v", program, codec, part)
			}
		}
	}
}

func run(t *testing.T, program string, arguments ...string) (outcome bench.Outcome) {
	t.Helper()
	output, err := exec.Command(program, arguments...).Output()
	if err != nil {
		t.Fatalf("%s: %v", program, err)
	}
	if err := json.Unmarshal(output, &outcome); err != nil {
		t.Fatal(err)
	}
	return outcome
}
