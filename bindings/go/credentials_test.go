package arrowredis_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"

	arrowredis "github.com/arrowredis/arrowredis/bindings/go"
)

// The password of an ACL user is changed on the server, and then on the open store: reads go on without opening it anew.
func TestCredentialsRotateOnAnOpenStore(t *testing.T) {
	redis := startRedis(t)
	setPassword := func(password string) {
		t.Helper()
		reply, err := redis.command("ACL SETUSER reader reset on >" + password + " ~* &* +@all")
		if err != nil || reply != "+OK" {
			t.Fatalf("%q: %v", reply, err)
		}
		// Connections that were logged in before lose their user's session.
		if _, err := redis.command("CLIENT KILL USER reader"); err != nil {
			t.Fatal(err)
		}
	}
	generated(t, openStore(t, redis.url()), "demo")
	setPassword("first-canary")
	store := openStore(t, strings.Replace(redis.url(), "redis://", "redis://reader:first-canary@", 1))
	dataset := openDataset(t, store, "demo")
	if rows := rowsOf(t, dataset, nil); rows != 3000 {
		t.Fatalf("%d rows", rows)
	}

	setPassword("second-canary")
	_, err := store.Ping(t.Context())
	if !errors.Is(err, arrowredis.ErrPermissionDenied) || strings.Contains(fmt.Sprintf("%v %+v", err, store), "canary") {
		t.Fatalf("the old password: %v", err)
	}
	if err := store.SetCredentials("", "second-canary"); err != nil {
		t.Fatal(err)
	}
	if rows := rowsOf(t, dataset, nil); rows != 3000 {
		t.Fatalf("%d rows", rows)
	}
	if err := store.SetCredentials("nobody", "second-canary"); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Ping(t.Context()); !errors.Is(err, arrowredis.ErrPermissionDenied) {
		t.Fatalf("a user that does not exist: %v", err)
	}
	if err := openStore(t, "memory://nobody").SetCredentials("", "x"); !errors.Is(err, arrowredis.ErrUnsupported) {
		t.Fatal(err)
	}
}

func TestMetricsTextCountsReads(t *testing.T) {
	counter := func() (payload uint64) {
		t.Helper()
		text, err := arrowredis.MetricsText()
		if err != nil {
			t.Fatal(err)
		}
		_, rest, found := strings.Cut(text, "\narrowredis_received_bytes_total ")
		if _, err := fmt.Sscan(rest, &payload); !found || err != nil {
			t.Fatalf("no counter in %s", text)
		}
		return payload
	}
	dataset := generated(t, openStore(t, startRedis(t).url()), "demo")
	before := counter()
	reader, err := dataset.Read(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Release()
	for reader.Next() {
	}
	figures, err := reader.Metrics()
	if err := errors.Join(err, reader.Err()); err != nil {
		t.Fatal(err)
	}
	if counted := counter() - before; counted < figures.PayloadBytes || figures.PayloadBytes == 0 {
		t.Errorf("%d bytes were counted, %d read", counted, figures.PayloadBytes)
	}
}

func TestNodesOfADataset(t *testing.T) {
	dataset := generated(t, openStore(t, "memory://nodes"), "demo")
	info, err := dataset.Info()
	if err != nil {
		t.Fatal(err)
	}
	nodes, err := dataset.Nodes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer nodes.Release()
	if !nodes.Next() || nodes.RecordBatch().NumRows() != 1 {
		t.Fatal(nodes.Err())
	}
	chunks := nodes.RecordBatch().Column(1).(*array.Uint64).Value(0)
	payload := nodes.RecordBatch().Column(2).(*array.Uint64).Value(0)
	if chunks != info.Chunks || payload != info.PayloadBytes {
		t.Errorf("%d chunks of %d bytes, of %+v", chunks, payload, info)
	}
}
