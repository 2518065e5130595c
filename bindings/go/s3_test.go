package arrowredis_test

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	arrowredis "github.com/arrowredis/arrowredis/bindings/go"
)

const (
	s3AccessKey = "TESTACCESSKEY"
	s3SecretKey = "test/secret+key"
)

// startS3 starts a real S3 server with a bucket "datasets"; returns how it is reached.
func startS3(t *testing.T) *arrowredis.S3Options {
	t.Helper()
	program, err := filepath.Abs("../../.tools/versitygw")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, folder := range []string{"data/datasets", "meta"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 {
		// Somebody else may take the port before the server does: then another one is tried.
		address := fmt.Sprintf("127.0.0.1:%d", freePort(t))
		command := exec.Command(program, "--port", address, "--access", s3AccessKey, "--secret", s3SecretKey, "--quiet",
			"posix", "--sidecar", filepath.Join(dir, "meta"), filepath.Join(dir, "data"))
		if err := command.Start(); err != nil {
			t.Fatalf("%s cannot be started (make setup compiles it): %v", program, err)
		}
		exited := make(chan struct{})
		go func() {
			_ = command.Wait()
			close(exited)
		}()
		if listens(address, exited) {
			t.Cleanup(func() {
				_ = command.Process.Kill()
				<-exited
			})
			return &arrowredis.S3Options{
				EndpointURL: "http://" + address, AWSAccessKey: s3AccessKey, AWSSecretKey: s3SecretKey,
			}
		}
		_ = command.Process.Kill()
		<-exited
	}
	t.Fatal("versitygw does not listen")
	return nil
}

func listens(address string, exited <-chan struct{}) bool {
	for range 1000 {
		if connection, err := net.Dial("tcp", address); err == nil {
			_ = connection.Close()
			return true
		}
		select {
		case <-exited:
			return false
		case <-time.After(10 * time.Millisecond):
		}
	}
	return false
}

// inQuery gives the URL of an object with its options.
func inQuery(key string, options *arrowredis.S3Options) string {
	query := url.Values{}
	query.Set("endpoint_url", options.EndpointURL)
	query.Set("aws_access_key", options.AWSAccessKey)
	query.Set("aws_secret_key", options.AWSSecretKey)
	return "s3://datasets/" + key + "?" + query.Encode()
}

func TestFilesOnS3TakeThePlaceOfLocalOnes(t *testing.T) {
	server := startS3(t)
	file := filepath.Join(t.TempDir(), "f.arrow")
	generated, err := arrowredis.GenerateFile(t.Context(), file, small)
	if err != nil {
		t.Fatal(err)
	}
	uploaded, err := arrowredis.UploadFile(t.Context(), file, "s3://datasets/f.arrow", server)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if uploaded.PayloadBytes != uint64(info.Size()) {
		t.Errorf("%d of %d bytes were uploaded", uploaded.PayloadBytes, info.Size())
	}

	location := inQuery("f.arrow", server)
	reader, err := arrowredis.ReadFile(t.Context(), location, &arrowredis.FileReadOptions{Columns: []string{"id64"}})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Release()
	rows := uint64(0)
	for reader.Next() {
		rows += uint64(reader.RecordBatch().NumRows())
	}
	if err := reader.Err(); err != nil {
		t.Fatal(err)
	}
	if rows != generated.Rows {
		t.Errorf("%d of %d rows were read", rows, generated.Rows)
	}

	store := openStore(t, "memory://s3")
	report, err := store.SplitFile(t.Context(), "demo", location, nil)
	if err != nil || report.Metrics.Rows != generated.Rows {
		t.Errorf("%+v: %v", report, err)
	}
	local, err1 := arrowredis.VerifyFile(file, nil)
	remote, err2 := arrowredis.VerifyFile(location, nil)
	if compared := identical(t, local, remote, err1, err2); !compared.Identical {
		t.Errorf("%+v", compared)
	}

	if _, err := arrowredis.ReadFile(t.Context(), inQuery("none.arrow", server), nil); !errors.Is(err, arrowredis.ErrNotFound) {
		t.Errorf("an object that does not exist: %v", err)
	}
	server.AWSSecretKey = "wrong"
	_, err = arrowredis.UploadFile(t.Context(), file, "s3://datasets/f.arrow", server)
	if !errors.Is(err, arrowredis.ErrPermissionDenied) {
		t.Errorf("a wrong key: %v", err)
	}
}
