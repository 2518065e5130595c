// Service serves columns of a dataset in Redis over HTTP, as an Arrow IPC stream or as JSON lines.
//
//	go run ./service -store redis://127.0.0.1:6379 -listen 127.0.0.1:8080
//	curl '127.0.0.1:8080/datasets/demo:v1/partitions/3?columns=id64,float64_c'
//	curl -H 'Accept: application/json' '127.0.0.1:8080/datasets/demo:v1/partitions/3?columns=id64,float64_c'
//
// Prometheus finds the library's counters under /metrics. A client that goes away ends the read behind it, down to the requests on their way to Redis.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	arrowredis "github.com/arrowredis/arrowredis/bindings/go"
)

func main() {
	url := flag.String("store", "redis://127.0.0.1:6379", "URL of the store")
	listen := flag.String("listen", "127.0.0.1:8080", "address to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *url, *listen); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, url, listen string) error {
	stopLog, err := arrowredis.StartLog(slog.Default())
	if err != nil {
		return err
	}
	defer stopLog()
	store, err := arrowredis.OpenStore(url, nil)
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	server := &http.Server{Addr: listen, Handler: newHandler(store), ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(last)
	}()
	slog.Info("serving", "store", store, "address", listen)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
