package arrowredis

/*
#cgo pkg-config: arrowredis
#include <arrowredis.h>
*/
import "C"

import (
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow/cdata"
)

// This is the only file that knows C: one Go function for each function of the header, with Go's types. It holds no
// logic and keeps no state. Pointers that go in are used during the call only; pointers that come out are owned by the
// caller, who puts them into a handle at once.

type (
	cCancelToken  = C.arrowredis_cancel_token
	cContext      = C.arrowredis_context
	cDataset      = C.arrowredis_dataset
	cDatasetList  = C.arrowredis_dataset_list
	cLogRecord    = C.arrowredis_log_record
	cOptions      = C.arrowredis_options
	cReader       = C.arrowredis_reader
	cServerInfo   = C.arrowredis_server_info
	cStore        = C.arrowredis_store
	cVerifyReport = C.arrowredis_verify_report
	cVerifySide   = C.arrowredis_verify_side
	cWriter       = C.arrowredis_writer

	// As the library's header declares them; cdata has types of its own with the same layout.
	cArray  = C.struct_ArrowArray
	cSchema = C.struct_ArrowSchema
	cStream = C.struct_ArrowArrayStream
)

const (
	abiVersion  = C.ARROWREDIS_ABI_VERSION
	noPartition = C.ARROWREDIS_NO_PARTITION

	kindStore    = C.ARROWREDIS_OPTIONS_STORE
	kindRead     = C.ARROWREDIS_OPTIONS_READ
	kindFileRead = C.ARROWREDIS_OPTIONS_FILE_READ
	kindSplit    = C.ARROWREDIS_OPTIONS_SPLIT
	kindGenerate = C.ARROWREDIS_OPTIONS_GENERATE
	kindVerify   = C.ARROWREDIS_OPTIONS_VERIFY
	kindRuntime  = C.ARROWREDIS_OPTIONS_RUNTIME
	kindS3       = C.ARROWREDIS_OPTIONS_S3

	logOff   = C.ARROWREDIS_LOG_OFF
	logError = C.ARROWREDIS_LOG_ERROR
	logWarn  = C.ARROWREDIS_LOG_WARN
	logInfo  = C.ARROWREDIS_LOG_INFO
	logDebug = C.ARROWREDIS_LOG_DEBUG
	logTrace = C.ARROWREDIS_LOG_TRACE
)

// text lends a Go string to C for the duration of a call.
func text(s string) (*C.char, C.size_t) {
	return (*C.char)(unsafe.Pointer(unsafe.StringData(s))), C.size_t(len(s))
}

// check turns a returned code into an error, and frees what the library said about it.
func check(code C.int32_t, err **C.arrowredis_error) error {
	if code == C.ARROWREDIS_OK {
		return nil
	}
	failure := *err
	if failure == nil {
		return &Error{Code: Code(code), Partition: -1, Batch: -1}
	}
	defer C.arrowredis_error_free(failure)
	var length C.size_t
	message := C.arrowredis_error_message(failure, &length)
	return &Error{
		Code:       Code(C.arrowredis_error_code(failure)),
		Message:    C.GoStringN(message, C.int(length)),
		Retryable:  C.arrowredis_error_retryable(failure) != 0,
		ServerCode: C.GoString(C.arrowredis_error_server_code(failure, nil)),
		Partition:  int64(C.arrowredis_error_partition(failure)),
		Batch:      int64(C.arrowredis_error_batch(failure)),
	}
}

func codeName(code int32) string { return C.GoString(C.arrowredis_code_name(C.int32_t(code))) }

func libraryVersion() string { return C.GoString(C.arrowredis_version()) }

func libraryABIVersion() int32 { return int32(C.arrowredis_abi_version()) }

func liveHandles() int64 { return int64(C.arrowredis_live_handles()) }

func metricsText() (string, error) {
	var failure *C.arrowredis_error
	var out *C.arrowredis_text
	if err := check(C.arrowredis_metrics_text(&out, &failure), &failure); err != nil {
		return "", err
	}
	defer C.arrowredis_text_free(out)
	var length C.size_t
	characters := C.arrowredis_text_get(out, &length)
	return C.GoStringN(characters, C.int(length)), nil
}

func configure(options *cOptions) error {
	var failure *C.arrowredis_error
	return check(C.arrowredis_configure(options, &failure), &failure)
}

// Options.

func optionsNew(kind int32) (out *cOptions, err error) {
	var failure *C.arrowredis_error
	err = check(C.arrowredis_options_new(C.int32_t(kind), &out, &failure), &failure)
	return out, err
}

func optionsSetString(options *cOptions, key, value string) error {
	var failure *C.arrowredis_error
	k, kn := text(key)
	v, vn := text(value)
	return check(C.arrowredis_options_set_string(options, k, kn, v, vn, &failure), &failure)
}

func optionsSetInt64(options *cOptions, key string, value int64) error {
	var failure *C.arrowredis_error
	k, kn := text(key)
	return check(C.arrowredis_options_set_int64(options, k, kn, C.int64_t(value), &failure), &failure)
}

func optionsSetDouble(options *cOptions, key string, value float64) error {
	var failure *C.arrowredis_error
	k, kn := text(key)
	return check(C.arrowredis_options_set_double(options, k, kn, C.double(value), &failure), &failure)
}

func optionsSetBool(options *cOptions, key string, value bool) error {
	var failure *C.arrowredis_error
	k, kn := text(key)
	return check(C.arrowredis_options_set_bool(options, k, kn, C.int32_t(flag(value)), &failure), &failure)
}

func flag(value bool) int {
	if value {
		return 1
	}
	return 0
}

func optionsFree(options *cOptions) { C.arrowredis_options_free(options) }

func optionsKindName(kind int32) string {
	return C.GoString(C.arrowredis_options_kind_name(C.int32_t(kind)))
}

func optionsCount(kind int32) (int, error) {
	var failure *C.arrowredis_error
	var count C.size_t
	err := check(C.arrowredis_options_count(C.int32_t(kind), &count, &failure), &failure)
	return int(count), err
}

func optionsDescribe(kind int32, index int) (OptionInfo, error) {
	var failure *C.arrowredis_error
	var out C.arrowredis_option_info
	code := C.arrowredis_options_describe(C.int32_t(kind), C.size_t(index), &out, C.sizeof_arrowredis_option_info, &failure)
	if err := check(code, &failure); err != nil {
		return OptionInfo{}, err
	}
	return OptionInfo{
		Key:     C.GoString(out.key),
		Type:    C.GoString(out.value_type),
		Default: C.GoString(out.default_value),
		Doc:     C.GoString(out.doc),
	}, nil
}

// Cancel tokens and contexts.

func cancelTokenNew() (out *cCancelToken, err error) {
	var failure *C.arrowredis_error
	err = check(C.arrowredis_cancel_token_new(&out, &failure), &failure)
	return out, err
}

func cancelTokenCancel(token *cCancelToken) { C.arrowredis_cancel_token_cancel(token) }

func cancelTokenIsCancelled(token *cCancelToken) bool {
	return C.arrowredis_cancel_token_is_cancelled(token) != 0
}

func cancelTokenFree(token *cCancelToken) { C.arrowredis_cancel_token_free(token) }

func contextNew() (out *cContext, err error) {
	var failure *C.arrowredis_error
	err = check(C.arrowredis_context_new(&out, &failure), &failure)
	return out, err
}

func contextSetTimeout(context *cContext, milliseconds uint64) error {
	var failure *C.arrowredis_error
	return check(C.arrowredis_context_set_timeout(context, C.uint64_t(milliseconds), &failure), &failure)
}

func contextSetCancelToken(context *cContext, token *cCancelToken) error {
	var failure *C.arrowredis_error
	return check(C.arrowredis_context_set_cancel_token(context, token, &failure), &failure)
}

func contextSetMaxInflightBytes(context *cContext, bytes uint64) error {
	var failure *C.arrowredis_error
	return check(C.arrowredis_context_set_max_inflight_bytes(context, C.uint64_t(bytes), &failure), &failure)
}

func contextMetrics(context *cContext) (Metrics, error) {
	var failure *C.arrowredis_error
	var out C.arrowredis_metrics
	err := check(C.arrowredis_context_metrics(context, &out, C.sizeof_arrowredis_metrics, &failure), &failure)
	return metricsOf(&out), err
}

func contextFree(context *cContext) { C.arrowredis_context_free(context) }

func metricsOf(m *C.arrowredis_metrics) Metrics {
	return Metrics{
		Rows:                 uint64(m.rows),
		Chunks:               uint64(m.chunks),
		PayloadBytes:         uint64(m.payload_bytes),
		DecodedBytes:         uint64(m.decoded_bytes),
		Fetch:                seconds(float64(m.fetch_seconds)),
		Decode:               seconds(float64(m.decode_seconds)),
		Total:                seconds(float64(m.total_seconds)),
		Retries:              uint64(m.retries),
		ChunksSkipped:        uint64(m.chunks_skipped),
		ChunksExpected:       uint64(m.chunks_expected),
		PayloadBytesExpected: uint64(m.payload_bytes_expected),
		PayloadMBPerSecond:   float64(m.payload_mb_per_second),
		DecodedMBPerSecond:   float64(m.decoded_mb_per_second),
		RowsPerSecond:        float64(m.rows_per_second),
		ChunksPruned:         uint64(m.chunks_pruned),
		BytesPruned:          uint64(m.bytes_pruned),
	}
}

// Stores.

func storeOpen(url string, options *cOptions) (out *cStore, err error) {
	var failure *C.arrowredis_error
	u, un := text(url)
	err = check(C.arrowredis_store_open(u, un, options, &out, &failure), &failure)
	return out, err
}

func storeDescription(store *cStore) string {
	return C.GoString(C.arrowredis_store_description(store, nil))
}

func storeSetCredentials(store *cStore, user, password string) error {
	var failure *C.arrowredis_error
	u, un := text(user)
	p, pn := text(password)
	return check(C.arrowredis_store_set_credentials(store, u, un, p, pn, &failure), &failure)
}

func storeClose(store *cStore) error {
	var failure *C.arrowredis_error
	return check(C.arrowredis_store_close(store, &failure), &failure)
}

func storeFree(store *cStore) { C.arrowredis_store_free(store) }

func storePing(store *cStore, context *cContext) (ServerInfo, error) {
	var failure *C.arrowredis_error
	var info *cServerInfo
	if err := check(C.arrowredis_store_ping(store, context, &info, &failure), &failure); err != nil {
		return ServerInfo{}, err
	}
	defer C.arrowredis_server_info_free(info)
	var f C.arrowredis_server_fields
	code := C.arrowredis_server_info_fields(info, &f, C.sizeof_arrowredis_server_fields, &failure)
	if err := check(code, &failure); err != nil {
		return ServerInfo{}, err
	}
	server := ServerInfo{
		Server:          C.GoString(f.server),
		Version:         C.GoString(f.version),
		Role:            C.GoString(f.role),
		MaxMemoryPolicy: C.GoString(f.max_memory_policy),
		MaxMemoryBytes:  int64(f.max_memory_bytes),
		UsedMemoryBytes: int64(f.used_memory_bytes),
		Cluster:         f.cluster != 0,
		TLS:             f.tls != 0,
		Latency:         seconds(float64(f.latency_seconds)),
	}
	for i := range int(f.denied_commands) {
		command := C.arrowredis_server_info_denied_command(info, C.size_t(i), nil)
		server.DeniedCommands = append(server.DeniedCommands, C.GoString(command))
	}
	return server, nil
}

// Datasets.

func datasetOpen(store *cStore, prefix string, context *cContext) (out *cDataset, err error) {
	var failure *C.arrowredis_error
	p, pn := text(prefix)
	err = check(C.arrowredis_dataset_open(store, p, pn, context, &out, &failure), &failure)
	return out, err
}

func datasetOpenWithoutManifest(store *cStore, prefix string) (out *cDataset, err error) {
	var failure *C.arrowredis_error
	p, pn := text(prefix)
	err = check(C.arrowredis_dataset_open_without_manifest(store, p, pn, &out, &failure), &failure)
	return out, err
}

func datasetInfo(dataset *cDataset) (DatasetInfo, error) {
	var failure *C.arrowredis_error
	var f C.arrowredis_dataset_fields
	code := C.arrowredis_dataset_info(dataset, &f, C.sizeof_arrowredis_dataset_fields, &failure)
	if err := check(code, &failure); err != nil {
		return DatasetInfo{}, err
	}
	return DatasetInfo{
		Prefix:          C.GoString(f.prefix),
		UploadID:        C.GoString(f.upload_id),
		CreatedAt:       moment(C.GoString(f.created_at)),
		Compression:     C.GoString(f.compression),
		Writer:          C.GoString(f.writer),
		PartitionColumn: C.GoString(f.partition_column),
		Rows:            uint64(f.rows),
		PayloadBytes:    uint64(f.payload_bytes),
		Chunks:          uint64(f.chunks),
		HasManifest:     f.has_manifest != 0,
	}, nil
}

func datasetSchema(dataset *cDataset, context *cContext, out *cSchema) error {
	var failure *C.arrowredis_error
	return check(C.arrowredis_dataset_schema(dataset, context, out, &failure), &failure)
}

func datasetPartitionCount(dataset *cDataset) (int, error) {
	var failure *C.arrowredis_error
	var count C.size_t
	err := check(C.arrowredis_dataset_partition_count(dataset, &count, &failure), &failure)
	return int(count), err
}

func datasetPartition(dataset *cDataset, index int) (Partition, error) {
	var failure *C.arrowredis_error
	var f C.arrowredis_partition
	code := C.arrowredis_dataset_partition(dataset, C.size_t(index), &f, C.sizeof_arrowredis_partition, &failure)
	if err := check(code, &failure); err != nil {
		return Partition{}, err
	}
	return Partition{
		ID:           uint32(f.partition),
		Value:        C.GoString(f.value),
		HasValue:     f.value != nil,
		Batches:      uint64(f.batches),
		Rows:         uint64(f.rows),
		PayloadBytes: uint64(f.payload_bytes),
	}, nil
}

func datasetChunks(dataset *cDataset, out *cdata.CArrowArrayStream) error {
	var failure *C.arrowredis_error
	return check(C.arrowredis_dataset_chunks(dataset, (*cStream)(unsafe.Pointer(out)), &failure), &failure)
}

func datasetNodes(dataset *cDataset, context *cContext, out *cdata.CArrowArrayStream) error {
	var failure *C.arrowredis_error
	return check(C.arrowredis_dataset_nodes(dataset, context, (*cStream)(unsafe.Pointer(out)), &failure), &failure)
}

func datasetCheck(dataset *cDataset, context *cContext) (uint64, error) {
	var failure *C.arrowredis_error
	var broken C.uint64_t
	err := check(C.arrowredis_dataset_check(dataset, context, &broken, nil, &failure), &failure)
	return uint64(broken), err
}

func collectGarbage(store *cStore, start string, context *cContext) (GarbageReport, error) {
	var failure *C.arrowredis_error
	var r C.arrowredis_garbage_report
	s, sn := text(start)
	code := C.arrowredis_collect_garbage(store, s, sn, context, &r, C.sizeof_arrowredis_garbage_report, nil, &failure)
	if err := check(code, &failure); err != nil {
		return GarbageReport{}, err
	}
	return GarbageReport{
		Datasets:        uint64(r.datasets),
		DeadUploads:     uint64(r.dead_uploads),
		Chunks:          uint64(r.chunks),
		VersionsInGrace: uint64(r.versions_in_grace),
		InUse:           uint64(r.in_use),
	}, nil
}

func datasetFree(dataset *cDataset) { C.arrowredis_dataset_free(dataset) }

func datasetDelete(store *cStore, prefix string, context *cContext) (uint64, error) {
	var failure *C.arrowredis_error
	var chunks C.uint64_t
	p, pn := text(prefix)
	err := check(C.arrowredis_dataset_delete(store, p, pn, context, &chunks, &failure), &failure)
	return uint64(chunks), err
}

func datasetList(store *cStore, start string, context *cContext) ([]DatasetSummary, error) {
	var failure *C.arrowredis_error
	var list *cDatasetList
	s, sn := text(start)
	if err := check(C.arrowredis_dataset_list_open(store, s, sn, context, &list, &failure), &failure); err != nil {
		return nil, err
	}
	defer C.arrowredis_dataset_list_free(list)
	found := make([]DatasetSummary, C.arrowredis_dataset_list_count(list))
	for i := range found {
		var f C.arrowredis_dataset_summary
		code := C.arrowredis_dataset_list_get(list, C.size_t(i), &f, C.sizeof_arrowredis_dataset_summary, &failure)
		if err := check(code, &failure); err != nil {
			return nil, err
		}
		found[i] = DatasetSummary{
			Prefix:       C.GoString(f.prefix),
			CreatedAt:    moment(C.GoString(f.created_at)),
			Problem:      C.GoString(f.problem),
			HasManifest:  f.has_manifest != 0,
			Partitions:   uint64(f.partitions),
			Chunks:       uint64(f.chunks),
			Rows:         int64(f.rows),
			PayloadBytes: int64(f.payload_bytes),

			UnlistedChunks: uint64(f.unlisted_chunks),
		}
	}
	return found, nil
}

// tellOrdered repeats that a dictionary is ordered on its values, where cdata (of arrow-go 18.8) looks for it.
func tellOrdered(schema *cSchema) {
	if values := schema.dictionary; values != nil {
		values.flags |= schema.flags & C.ARROW_FLAG_DICTIONARY_ORDERED
		tellOrdered(values)
	}
	for _, child := range unsafe.Slice(schema.children, schema.n_children) {
		tellOrdered(child)
	}
}

// Readers.

func read(dataset *cDataset, options *cOptions, context *cContext) (out *cReader, err error) {
	var failure *C.arrowredis_error
	err = check(C.arrowredis_read(dataset, options, context, &out, &failure), &failure)
	return out, err
}

func readFile(path string, options *cOptions, context *cContext) (out *cReader, err error) {
	var failure *C.arrowredis_error
	p, pn := text(path)
	err = check(C.arrowredis_read_file(p, pn, options, context, &out, &failure), &failure)
	return out, err
}

func readToFile(dataset *cDataset, path, compression string, options *cOptions, context *cContext) (Metrics, error) {
	var failure *C.arrowredis_error
	var m C.arrowredis_metrics
	p, pn := text(path)
	c, cn := text(compression)
	code := C.arrowredis_read_to_file(dataset, p, pn, c, cn, options, context, &m, C.sizeof_arrowredis_metrics, &failure)
	err := check(code, &failure)
	return metricsOf(&m), err
}

func readerSchema(reader *cReader, out *cSchema) error {
	var failure *C.arrowredis_error
	return check(C.arrowredis_reader_schema(reader, out, &failure), &failure)
}

func readerNext(reader *cReader, out *cArray) (partition, batch uint32, err error) {
	var failure *C.arrowredis_error
	var p, b C.uint32_t
	err = check(C.arrowredis_reader_next(reader, out, &p, &b, &failure), &failure)
	return uint32(p), uint32(b), err
}

func readerExport(reader *cReader, out *cdata.CArrowArrayStream) error {
	var failure *C.arrowredis_error
	return check(C.arrowredis_reader_export(reader, (*cStream)(unsafe.Pointer(out)), &failure), &failure)
}

func readerError(reader *cReader) error {
	var failure, found *C.arrowredis_error
	if err := check(C.arrowredis_reader_error(reader, &found, &failure), &failure); err != nil {
		return err
	}
	return check(C.arrowredis_error_code(found), &found)
}

func readerMetrics(reader *cReader) (Metrics, error) {
	var failure *C.arrowredis_error
	var out C.arrowredis_metrics
	err := check(C.arrowredis_reader_metrics(reader, &out, C.sizeof_arrowredis_metrics, &failure), &failure)
	return metricsOf(&out), err
}

func readerCancel(reader *cReader) { C.arrowredis_reader_cancel(reader) }

func readerFree(reader *cReader) { C.arrowredis_reader_free(reader) }

// Generated data.

func generateFile(path string, options *cOptions, context *cContext) (Metrics, error) {
	var failure *C.arrowredis_error
	var m C.arrowredis_metrics
	p, pn := text(path)
	code := C.arrowredis_generate_file(p, pn, options, context, &m, C.sizeof_arrowredis_metrics, &failure)
	err := check(code, &failure)
	return metricsOf(&m), err
}

func generate(options *cOptions, context *cContext) (out *cReader, err error) {
	var failure *C.arrowredis_error
	err = check(C.arrowredis_generate(options, context, &out, &failure), &failure)
	return out, err
}

// Uploads.

func uploadFile(path, url string, options *cOptions, context *cContext) (Metrics, error) {
	var failure *C.arrowredis_error
	var m C.arrowredis_metrics
	p, pn := text(path)
	u, un := text(url)
	code := C.arrowredis_upload_file(p, pn, u, un, options, context, &m, C.sizeof_arrowredis_metrics, &failure)
	err := check(code, &failure)
	return metricsOf(&m), err
}

// Splits and writers.

func splitReportOf(r *C.arrowredis_split_report, m *C.arrowredis_metrics) SplitReport {
	return SplitReport{
		UploadID:     C.GoString(&r.upload_id[0]),
		Partitions:   uint64(r.partitions),
		Chunks:       uint64(r.chunks),
		ChunksCopied: uint64(r.chunks_copied),
		Metrics:      metricsOf(m),

		ReplacedUploadID: C.GoString(&r.replaced_upload_id[0]),
	}
}

func splitFile(store *cStore, prefix, path string, options *cOptions, context *cContext) (SplitReport, error) {
	var failure *C.arrowredis_error
	var r C.arrowredis_split_report
	var m C.arrowredis_metrics
	p, pn := text(prefix)
	f, fn := text(path)
	code := C.arrowredis_split_file(store, p, pn, f, fn, options, context,
		&r, C.sizeof_arrowredis_split_report, &m, C.sizeof_arrowredis_metrics, &failure)
	if err := check(code, &failure); err != nil {
		return SplitReport{}, err
	}
	return splitReportOf(&r, &m), nil
}

func splitStream(
	store *cStore, prefix string, stream *cdata.CArrowArrayStream, options *cOptions, context *cContext,
) (SplitReport, error) {
	var failure *C.arrowredis_error
	var r C.arrowredis_split_report
	var m C.arrowredis_metrics
	p, pn := text(prefix)
	code := C.arrowredis_split_stream(store, p, pn, (*cStream)(unsafe.Pointer(stream)), options, context,
		&r, C.sizeof_arrowredis_split_report, &m, C.sizeof_arrowredis_metrics, &failure)
	if err := check(code, &failure); err != nil {
		return SplitReport{}, err
	}
	return splitReportOf(&r, &m), nil
}

func writerOpen(
	store *cStore, prefix string, schema *cSchema, options *cOptions, context *cContext,
) (out *cWriter, err error) {
	var failure *C.arrowredis_error
	p, pn := text(prefix)
	err = check(C.arrowredis_writer_open(store, p, pn, schema, options, context, &out, &failure), &failure)
	return out, err
}

func writerWrite(writer *cWriter, batch *cArray) error {
	var failure *C.arrowredis_error
	return check(C.arrowredis_writer_write(writer, batch, &failure), &failure)
}

func writerFinish(writer *cWriter) (SplitReport, error) {
	var failure *C.arrowredis_error
	var r C.arrowredis_split_report
	var m C.arrowredis_metrics
	code := C.arrowredis_writer_finish(writer,
		&r, C.sizeof_arrowredis_split_report, &m, C.sizeof_arrowredis_metrics, &failure)
	if err := check(code, &failure); err != nil {
		return SplitReport{}, err
	}
	return splitReportOf(&r, &m), nil
}

func writerCancel(writer *cWriter) { C.arrowredis_writer_cancel(writer) }

func writerFree(writer *cWriter) { C.arrowredis_writer_free(writer) }

// Comparisons.

func verifyDataset(dataset *cDataset, options *cOptions) (out *cVerifySide, err error) {
	var failure *C.arrowredis_error
	err = check(C.arrowredis_verify_dataset(dataset, options, &out, &failure), &failure)
	return out, err
}

func verifyFile(path string, options *cOptions) (out *cVerifySide, err error) {
	var failure *C.arrowredis_error
	p, pn := text(path)
	err = check(C.arrowredis_verify_file(p, pn, options, &out, &failure), &failure)
	return out, err
}

func verifyStream(name string, stream *cdata.CArrowArrayStream) (out *cVerifySide, err error) {
	var failure *C.arrowredis_error
	n, nn := text(name)
	err = check(C.arrowredis_verify_stream(n, nn, (*cStream)(unsafe.Pointer(stream)), &out, &failure), &failure)
	return out, err
}

func verifySideFree(side *cVerifySide) { C.arrowredis_verify_side_free(side) }

func verify(left, right *cVerifySide, options *cOptions, context *cContext) (VerifyReport, error) {
	var failure *C.arrowredis_error
	var report *cVerifyReport
	code := C.arrowredis_verify(left, right, options, context, &report, &failure)
	if err := check(code, &failure); err != nil {
		return VerifyReport{}, err
	}
	defer C.arrowredis_verify_report_free(report)
	return verifyReportOf(report)
}

func verifyReportOf(report *cVerifyReport) (out VerifyReport, err error) {
	out.Identical = C.arrowredis_verify_report_identical(report) != 0
	if out.Left, err = verifyReportSide(report, 0); err != nil {
		return out, err
	}
	if out.Right, err = verifyReportSide(report, 1); err != nil {
		return out, err
	}
	for i := range int(C.arrowredis_verify_report_column_count(report)) {
		column, err := verifyReportColumn(report, i)
		if err != nil {
			return out, err
		}
		out.Columns = append(out.Columns, column)
	}
	for i := C.size_t(0); ; i++ {
		difference := C.arrowredis_verify_report_difference(report, i, nil)
		if difference == nil {
			break
		}
		out.Differences = append(out.Differences, C.GoString(difference))
	}
	for i := C.size_t(0); ; i++ {
		note := C.arrowredis_verify_report_note(report, i, nil)
		if note == nil {
			break
		}
		out.Notes = append(out.Notes, C.GoString(note))
	}
	var failure *C.arrowredis_error
	var m C.arrowredis_metrics
	code := C.arrowredis_verify_report_metrics(report, &m, C.sizeof_arrowredis_metrics, &failure)
	err = check(code, &failure)
	out.Metrics = metricsOf(&m)
	return out, err
}

func verifyReportSide(report *cVerifyReport, side int) (ComparedSide, error) {
	var failure *C.arrowredis_error
	var f C.arrowredis_verify_side_fields
	code := C.arrowredis_verify_report_side(report, C.size_t(side), &f, C.sizeof_arrowredis_verify_side_fields, &failure)
	if err := check(code, &failure); err != nil {
		return ComparedSide{}, err
	}
	return ComparedSide{
		Name:         C.GoString(f.name),
		Rows:         uint64(f.rows),
		Columns:      uint64(f.columns),
		Batches:      uint64(f.batches),
		PayloadBytes: int64(f.payload_bytes),
	}, nil
}

func verifyReportColumn(report *cVerifyReport, index int) (ColumnDifference, error) {
	var failure *C.arrowredis_error
	var f C.arrowredis_column_difference
	code := C.arrowredis_verify_report_column(report, C.size_t(index), &f, C.sizeof_arrowredis_column_difference, &failure)
	if err := check(code, &failure); err != nil {
		return ColumnDifference{}, err
	}
	return ColumnDifference{
		Column:    C.GoString(f.column),
		Partition: C.GoString(f.partition),
		Row:       uint64(f.row),
		Left:      C.GoString(f.left),
		Right:     C.GoString(f.right),
	}, nil
}

// Logs.

func logSetQueue(level int32, capacity int) error {
	var failure *C.arrowredis_error
	return check(C.arrowredis_log_set_queue(C.int32_t(level), C.size_t(capacity), &failure), &failure)
}

func logNext(milliseconds uint64) (record logRecord, found bool, err error) {
	var failure *C.arrowredis_error
	var out *cLogRecord
	err = check(C.arrowredis_log_next(C.uint64_t(milliseconds), &out, &failure), &failure)
	if err != nil || out == nil {
		return logRecord{}, false, err
	}
	defer C.arrowredis_log_record_free(out)
	return logRecord{
		level:   int32(C.arrowredis_log_record_level(out)),
		target:  C.GoString(C.arrowredis_log_record_target(out, nil)),
		message: C.GoString(C.arrowredis_log_record_message(out, nil)),
	}, true, nil
}

func logDropped() uint64 { return uint64(C.arrowredis_log_dropped()) }
