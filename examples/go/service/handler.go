package main

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	arrowredis "github.com/arrowredis/arrowredis/bindings/go"
)

const arrowStream = "application/vnd.apache.arrow.stream"

type handler struct {
	store *arrowredis.Store
}

// newHandler serves /datasets/PREFIX/partitions/PARTITION?columns=A,B, and /metrics for Prometheus.
func newHandler(store *arrowredis.Store) http.Handler {
	h := &handler{store}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /datasets/{prefix}/partitions/{partition}", h.partition)
	mux.HandleFunc("GET /metrics", metrics)
	return mux
}

func metrics(response http.ResponseWriter, _ *http.Request) {
	text, err := arrowredis.MetricsText()
	if err != nil {
		fail(response, err)
		return
	}
	response.Header().Set("Content-Type", "text/plain; version=0.0.4")
	_, _ = io.WriteString(response, text)
}

func (h *handler) partition(response http.ResponseWriter, request *http.Request) {
	// The request's context ends when the client goes away.
	ctx := request.Context()
	dataset, err := h.store.Dataset(ctx, request.PathValue("prefix"))
	if err != nil {
		fail(response, err)
		return
	}
	defer func() { _ = dataset.Close() }()
	options := &arrowredis.ReadOptions{Partitions: []string{request.PathValue("partition")}}
	if columns := request.URL.Query().Get("columns"); columns != "" {
		options.Columns = strings.Split(columns, ",")
	}
	reader, err := dataset.Read(ctx, options)
	if err != nil {
		fail(response, err)
		return
	}
	defer reader.Release()
	write := writeArrow
	if strings.Contains(request.Header.Get("Accept"), "application/json") {
		write = writeJSON
	}
	if err := write(response, reader); err != nil {
		slog.Warn("a response was cut short", "url", request.URL, "error", err)
		// The status is sent: only a broken connection tells the client that rows are missing.
		panic(http.ErrAbortHandler)
	}
}

func writeArrow(response http.ResponseWriter, reader array.RecordReader) error {
	response.Header().Set("Content-Type", arrowStream)
	writer := ipc.NewWriter(response, ipc.WithSchema(reader.Schema()))
	for reader.Next() {
		if err := writer.Write(reader.RecordBatch()); err != nil {
			return err
		}
	}
	if err := reader.Err(); err != nil {
		return err
	}
	return writer.Close()
}

// writeJSON writes one object a row.
func writeJSON(response http.ResponseWriter, reader array.RecordReader) error {
	response.Header().Set("Content-Type", "application/json")
	for reader.Next() {
		if err := array.RecordToJSON(reader.RecordBatch(), response); err != nil {
			return err
		}
	}
	return reader.Err()
}

// fail answers with the HTTP status that fits the library's code.
func fail(response http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	switch {
	case errors.Is(err, arrowredis.ErrNotFound):
		status = http.StatusNotFound
	case errors.Is(err, arrowredis.ErrInvalidArgument):
		status = http.StatusBadRequest
	case errors.Is(err, arrowredis.ErrUnavailable):
		status = http.StatusBadGateway
	case errors.Is(err, arrowredis.ErrTimeout):
		status = http.StatusGatewayTimeout
	}
	var failure *arrowredis.Error
	if !errors.As(err, &failure) {
		failure = &arrowredis.Error{Code: arrowredis.ErrInternal, Message: err.Error()}
	}
	response.Header().Set("Content-Type", "application/json")
	response.WriteHeader(status)
	_ = json.NewEncoder(response).Encode(map[string]string{"code": failure.Code.String(), "message": failure.Message})
}
