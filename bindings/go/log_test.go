package arrowredis_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	arrowredis "github.com/arrowredis/arrowredis/bindings/go"
)

// retries has the library log something: that it tries again.
func retries(t *testing.T) {
	t.Helper()
	store, err := arrowredis.OpenStore("redis://127.0.0.1:1", &arrowredis.StoreOptions{
		MaxRetries: new(1), RetryBaseDelay: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	if _, err := store.Dataset(t.Context(), "demo"); !errors.Is(err, arrowredis.ErrUnavailable) {
		t.Fatal(err)
	}
}

func TestLogRecordsGoToALogger(t *testing.T) {
	for range 2 { // stopped, and started again
		var out bytes.Buffer
		handler := slog.NewTextHandler(&out, &slog.HandlerOptions{Level: arrowredis.LevelTrace})
		stop, err := arrowredis.StartLog(slog.New(handler))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := arrowredis.StartLog(slog.Default()); !errors.Is(err, arrowredis.ErrConflict) {
			t.Fatal(err)
		}
		retries(t)
		stop()
		stop()
		if text := out.String(); !strings.Contains(text, "target=arrowredis::") || !strings.Contains(text, "127.0.0.1:1") {
			t.Fatalf("%q", text)
		}
		retries(t)
		if text := out.String(); strings.Count(text, "\n") != strings.Count(text, "target=") {
			t.Fatalf("%q", text)
		}
	}
}

func TestLogRecordsBelowTheLoggersLevelAreNotMade(t *testing.T) {
	var out bytes.Buffer
	stop, err := arrowredis.StartLog(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelError + 4})))
	if err != nil {
		t.Fatal(err)
	}
	retries(t)
	stop()
	if out.Len() != 0 {
		t.Fatal(out.String())
	}
}
