/* Every pointer argument of every function, NULL in turn. The two tables name every exported symbol. */
#include "data.h"
#include "harness.h"

/* What the calls work on. */
static struct {
  arrowredis_options *generate, *read, *split, *store_options, *file_read, *verify, *runtime, *s3;
  arrowredis_context *context, *cancelled;
  arrowredis_cancel_token *token;
  arrowredis_store *store;
  arrowredis_server_info *info;
  arrowredis_dataset *dataset;
  arrowredis_dataset_list *list;
  arrowredis_reader *reader;
  arrowredis_writer *writer;
  arrowredis_verify_side *left, *right;
  arrowredis_verify_report *report;
  arrowredis_metrics metrics;
  arrowredis_split_report split_report;
  char path[512];
} on;

static int which; /* the pointer that is NULL; -1 for none */

static int is_null(int position) { return which == position; }
#define P(position, pointer) (is_null(position) ? NULL : (pointer))
#define T(position, text) P(position, text), strlen(text)

static const char *fresh(void) {
  static char prefix[32];
  static int number;
  snprintf(prefix, sizeof prefix, "n:%d", number++);
  return prefix;
}

static int32_t configure(arrowredis_error **err) { return arrowredis_configure(P(0, on.runtime), err); }

static int32_t options_new(arrowredis_error **err) {
  arrowredis_options *out = NULL;
  int32_t code = arrowredis_options_new(ARROWREDIS_OPTIONS_READ, P(0, &out), err);
  arrowredis_options_free(out);
  return code;
}

static int32_t options_set_string(arrowredis_error **err) {
  return arrowredis_options_set_string(P(0, on.generate), T(1, "rows"), T(2, "10"), err);
}

static int32_t options_set_int64(arrowredis_error **err) {
  return arrowredis_options_set_int64(P(0, on.generate), T(1, "rows"), 10, err);
}

static int32_t options_set_double(arrowredis_error **err) {
  return arrowredis_options_set_double(P(0, on.store_options), T(1, "timeout"), 30, err);
}

static int32_t options_set_bool(arrowredis_error **err) {
  return arrowredis_options_set_bool(P(0, on.generate), T(1, "parallel"), 1, err);
}

static int32_t options_count(arrowredis_error **err) {
  size_t out;
  return arrowredis_options_count(ARROWREDIS_OPTIONS_READ, P(0, &out), err);
}

static int32_t options_describe(arrowredis_error **err) {
  arrowredis_option_info out;
  return arrowredis_options_describe(ARROWREDIS_OPTIONS_READ, 0, P(0, &out), sizeof out, err);
}

static int32_t cancel_token_new(arrowredis_error **err) {
  arrowredis_cancel_token *out = NULL;
  int32_t code = arrowredis_cancel_token_new(P(0, &out), err);
  arrowredis_cancel_token_free(out);
  return code;
}

static int32_t context_new(arrowredis_error **err) {
  arrowredis_context *out = NULL;
  int32_t code = arrowredis_context_new(P(0, &out), err);
  arrowredis_context_free(out);
  return code;
}

static int32_t context_set_timeout(arrowredis_error **err) {
  return arrowredis_context_set_timeout(P(0, on.context), 0, err);
}

static int32_t context_set_cancel_token(arrowredis_error **err) {
  return arrowredis_context_set_cancel_token(P(0, on.context), P(1, on.token), err);
}

static int32_t context_set_max_inflight_bytes(arrowredis_error **err) {
  return arrowredis_context_set_max_inflight_bytes(P(0, on.context), 0, err);
}

static int32_t context_metrics(arrowredis_error **err) {
  return arrowredis_context_metrics(P(0, on.context), P(1, &on.metrics), sizeof on.metrics, err);
}

static int32_t store_open(arrowredis_error **err) {
  arrowredis_store *out = NULL;
  int32_t code = arrowredis_store_open(T(0, "memory://null"), P(1, on.store_options), P(2, &out), err);
  arrowredis_store_free(out);
  return code;
}

static int32_t store_close(arrowredis_error **err) {
  arrowredis_store *store = open_store("memory://other");
  int32_t code = arrowredis_store_close(P(0, store), err);
  arrowredis_store_free(store);
  return code;
}

static int32_t store_ping(arrowredis_error **err) {
  arrowredis_server_info *out = NULL;
  int32_t code = arrowredis_store_ping(P(0, on.store), P(1, on.context), P(2, &out), err);
  arrowredis_server_info_free(out);
  return code;
}

static int32_t store_set_credentials(arrowredis_error **err) {
  return arrowredis_store_set_credentials(P(0, on.store), NULL, 0, T(1, "secret"), err);
}

static int32_t metrics_text(arrowredis_error **err) {
  arrowredis_text *out = NULL;
  int32_t code = arrowredis_metrics_text(P(0, &out), err);
  arrowredis_text_free(out);
  return code;
}

static int32_t dataset_nodes(arrowredis_error **err) {
  struct ArrowArrayStream out;
  int32_t code = arrowredis_dataset_nodes(P(0, on.dataset), P(1, on.context), P(2, &out), err);
  if (code == 0) out.release(&out);
  return code;
}

static int32_t server_info_fields(arrowredis_error **err) {
  arrowredis_server_fields out;
  return arrowredis_server_info_fields(P(0, on.info), P(1, &out), sizeof out, err);
}

static int32_t dataset_open(arrowredis_error **err) {
  arrowredis_dataset *out = NULL;
  int32_t code = arrowredis_dataset_open(P(0, on.store), T(1, "d"), P(2, on.context), P(3, &out), err);
  arrowredis_dataset_free(out);
  return code;
}

static int32_t dataset_open_without_manifest(arrowredis_error **err) {
  arrowredis_dataset *out = NULL;
  int32_t code = arrowredis_dataset_open_without_manifest(P(0, on.store), T(1, "d"), P(2, &out), err);
  arrowredis_dataset_free(out);
  return code;
}

static int32_t dataset_info(arrowredis_error **err) {
  arrowredis_dataset_fields out;
  return arrowredis_dataset_info(P(0, on.dataset), P(1, &out), sizeof out, err);
}

static int32_t dataset_schema(arrowredis_error **err) {
  struct ArrowSchema out = {0};
  int32_t code = arrowredis_dataset_schema(P(0, on.dataset), P(1, on.context), P(2, &out), err);
  if (out.release) out.release(&out);
  return code;
}

static int32_t dataset_partition_count(arrowredis_error **err) {
  size_t out;
  return arrowredis_dataset_partition_count(P(0, on.dataset), P(1, &out), err);
}

static int32_t dataset_partition(arrowredis_error **err) {
  arrowredis_partition out;
  return arrowredis_dataset_partition(P(0, on.dataset), 0, P(1, &out), sizeof out, err);
}

static int32_t dataset_chunks(arrowredis_error **err) {
  struct ArrowArrayStream out = {0};
  int32_t code = arrowredis_dataset_chunks(P(0, on.dataset), P(1, &out), err);
  if (out.release) out.release(&out);
  return code;
}

static int32_t dataset_check(arrowredis_error **err) {
  struct ArrowArrayStream out = {0};
  uint64_t broken = 0;
  int32_t code = arrowredis_dataset_check(P(0, on.dataset), P(1, on.context), P(2, &broken), P(3, &out), err);
  if (out.release) out.release(&out);
  return code;
}

static int32_t collect_garbage(arrowredis_error **err) {
  struct ArrowArrayStream out = {0};
  arrowredis_garbage_report report;
  int32_t code = arrowredis_collect_garbage(P(0, on.store), T(1, "d"), P(2, on.context), P(3, &report), sizeof report,
                                            P(4, &out), err);
  if (out.release) out.release(&out);
  return code;
}

static int32_t dataset_delete(arrowredis_error **err) {
  const char *prefix = fresh();
  uint64_t deleted;
  publish(on.store, prefix, "partitions=1;batches=1;rows=3", "");
  return arrowredis_dataset_delete(P(0, on.store), T(1, prefix), P(2, on.context), P(3, &deleted), err);
}

static int32_t dataset_list_open(arrowredis_error **err) {
  arrowredis_dataset_list *out = NULL;
  int32_t code = arrowredis_dataset_list_open(P(0, on.store), T(1, "d"), P(2, on.context), P(3, &out), err);
  arrowredis_dataset_list_free(out);
  return code;
}

static int32_t dataset_list_get(arrowredis_error **err) {
  arrowredis_dataset_summary out;
  return arrowredis_dataset_list_get(P(0, on.list), 0, P(1, &out), sizeof out, err);
}

static int32_t read_dataset(arrowredis_error **err) {
  arrowredis_reader *out = NULL;
  int32_t code = arrowredis_read(P(0, on.dataset), P(1, on.read), P(2, on.context), P(3, &out), err);
  arrowredis_reader_free(out);
  return code;
}

static int32_t read_file(arrowredis_error **err) {
  arrowredis_reader *out = NULL;
  int32_t code = arrowredis_read_file(T(0, on.path), P(1, on.file_read), P(2, on.context), P(3, &out), err);
  arrowredis_reader_free(out);
  return code;
}

static int32_t read_to_file(arrowredis_error **err) {
  const char *path = scratch_path("copy.arrow");
  return arrowredis_read_to_file(P(0, on.dataset), T(1, path), T(2, "lz4"), P(3, on.read), P(4, on.context),
                                 P(5, &on.metrics), sizeof on.metrics, err);
}

static int32_t reader_schema(arrowredis_error **err) {
  struct ArrowSchema out = {0};
  int32_t code = arrowredis_reader_schema(P(0, on.reader), P(1, &out), err);
  if (out.release) out.release(&out);
  return code;
}

static int32_t reader_next(arrowredis_error **err) {
  struct ArrowArray out = {0};
  uint32_t partition, batch;
  int32_t code = arrowredis_reader_next(P(0, on.reader), P(1, &out), P(2, &partition), P(3, &batch), err);
  if (out.release) out.release(&out);
  return code;
}

static int32_t reader_export(arrowredis_error **err) {
  struct ArrowArrayStream out = {0};
  int32_t code = arrowredis_reader_export(P(0, on.reader), P(1, &out), err);
  if (out.release) out.release(&out);
  return code;
}

static int32_t reader_error(arrowredis_error **err) {
  arrowredis_error *out = NULL;
  return arrowredis_reader_error(P(0, on.reader), P(1, &out), err);
}

static int32_t reader_metrics(arrowredis_error **err) {
  return arrowredis_reader_metrics(P(0, on.reader), P(1, &on.metrics), sizeof on.metrics, err);
}

/* The default dataset is large: with NULL options the context is a cancelled one. */
static int32_t generate_file(arrowredis_error **err) {
  const char *path = scratch_path("generated.arrow");
  arrowredis_context *context = is_null(1) ? on.cancelled : P(2, on.context);
  return arrowredis_generate_file(T(0, path), P(1, on.generate), context, P(3, &on.metrics), sizeof on.metrics, err);
}

/* Nobody listens there. */
static int32_t upload_file(arrowredis_error **err) {
  const char *url = "s3://bucket/key?endpoint_url=http%3A%2F%2F127.0.0.1%3A1&max_retries=0&aws_access_key=a&aws_secret_key=b";
  return arrowredis_upload_file(T(0, on.path), T(1, url), P(2, on.s3), P(3, on.context), P(4, &on.metrics),
                                sizeof on.metrics, err);
}

static int32_t generate(arrowredis_error **err) {
  arrowredis_reader *out = NULL;
  arrowredis_context *context = is_null(0) ? on.cancelled : P(1, on.context);
  int32_t code = arrowredis_generate(P(0, on.generate), context, P(2, &out), err);
  arrowredis_reader_free(out);
  return code;
}

static int32_t split_file(arrowredis_error **err) {
  const char *prefix = fresh();
  return arrowredis_split_file(P(0, on.store), T(1, prefix), T(2, on.path), P(3, on.split), P(4, on.context),
                               P(5, &on.split_report), sizeof on.split_report, P(6, &on.metrics), sizeof on.metrics,
                               err);
}

static int32_t split_stream(arrowredis_error **err) {
  const char *prefix = fresh();
  struct ArrowArrayStream stream;
  make_stream(&stream, 2, 3, -1, 0, NULL);
  int32_t code = arrowredis_split_stream(P(0, on.store), T(1, prefix), P(2, &stream), P(3, on.split),
                                         P(4, on.context), P(5, &on.split_report), sizeof on.split_report,
                                         P(6, &on.metrics), sizeof on.metrics, err);
  CHECK_INT(stream.release == NULL, !is_null(2));
  if (stream.release) stream.release(&stream);
  return code;
}

static int32_t writer_open(arrowredis_error **err) {
  const char *prefix = fresh();
  struct ArrowSchema schema;
  arrowredis_writer *out = NULL;
  make_schema(&schema);
  int32_t code = arrowredis_writer_open(P(0, on.store), T(1, prefix), P(2, &schema), P(3, on.split),
                                        P(4, on.context), P(5, &out), err);
  CHECK_INT(schema.release == NULL, !is_null(2));
  if (schema.release) schema.release(&schema);
  arrowredis_writer_free(out);
  return code;
}

static int32_t writer_write(arrowredis_error **err) {
  struct ArrowArray batch;
  make_batch(&batch, 0, 0, 5);
  int32_t code = arrowredis_writer_write(P(0, on.writer), P(1, &batch), err);
  CHECK_INT(batch.release == NULL, !is_null(1));
  if (batch.release) batch.release(&batch);
  return code;
}

static arrowredis_writer *new_writer(void) {
  struct ArrowSchema schema;
  arrowredis_writer *writer = NULL;
  const char *prefix = fresh();
  make_schema(&schema);
  OK(arrowredis_writer_open(on.store, TEXT(prefix), &schema, NULL, NULL, &writer, &error));
  return writer;
}

static int32_t writer_finish(arrowredis_error **err) {
  arrowredis_writer *writer = new_writer();
  int32_t code = arrowredis_writer_finish(P(0, writer), P(1, &on.split_report), sizeof on.split_report,
                                          P(2, &on.metrics), sizeof on.metrics, err);
  arrowredis_writer_free(writer);
  return code;
}

static int32_t verify_dataset(arrowredis_error **err) {
  arrowredis_verify_side *out = NULL;
  int32_t code = arrowredis_verify_dataset(P(0, on.dataset), P(1, on.read), P(2, &out), err);
  arrowredis_verify_side_free(out);
  return code;
}

static int32_t verify_file(arrowredis_error **err) {
  arrowredis_verify_side *out = NULL;
  int32_t code = arrowredis_verify_file(T(0, on.path), P(1, on.file_read), P(2, &out), err);
  arrowredis_verify_side_free(out);
  return code;
}

static int32_t verify_stream(arrowredis_error **err) {
  arrowredis_verify_side *out = NULL;
  struct ArrowArrayStream stream;
  make_stream(&stream, 1, 3, -1, 0, NULL);
  int32_t code = arrowredis_verify_stream(T(0, "mine"), P(1, &stream), P(2, &out), err);
  CHECK_INT(stream.release == NULL, !is_null(1));
  if (stream.release) stream.release(&stream);
  arrowredis_verify_side_free(out);
  return code;
}

static int32_t verify(arrowredis_error **err) {
  arrowredis_verify_report *out = NULL;
  int32_t code = arrowredis_verify(P(0, on.left), P(1, on.right), P(2, on.verify), P(3, on.context), P(4, &out), err);
  arrowredis_verify_report_free(out);
  return code;
}

static int32_t verify_report_side(arrowredis_error **err) {
  arrowredis_verify_side_fields out;
  return arrowredis_verify_report_side(P(0, on.report), 0, P(1, &out), sizeof out, err);
}

static int32_t verify_report_column(arrowredis_error **err) {
  arrowredis_column_difference out;
  return arrowredis_verify_report_column(P(0, on.report), 0, P(1, &out), sizeof out, err);
}

static int32_t verify_report_metrics(arrowredis_error **err) {
  return arrowredis_verify_report_metrics(P(0, on.report), P(1, &on.metrics), sizeof on.metrics, err);
}

static void ignore(void *user_data, int32_t level, const char *target, const char *message) {
  (void)user_data, (void)level, (void)target, (void)message;
}

static int32_t log_set_callback(arrowredis_error **err) {
  return arrowredis_log_set_callback(ARROWREDIS_LOG_ERROR, P(0, ignore), P(1, &on), err);
}

static int32_t log_set_queue(arrowredis_error **err) { return arrowredis_log_set_queue(ARROWREDIS_LOG_OFF, 0, err); }

static int32_t log_next(arrowredis_error **err) {
  arrowredis_log_record *out = NULL;
  int32_t code = arrowredis_log_next(0, P(0, &out), err);
  arrowredis_log_record_free(out);
  return code;
}

/* `pointers`: one letter for each pointer argument. R must not be NULL, o may be, c may be but is called with a
 * cancelled context. `code` is what the call gives when no argument is NULL. */
static const struct fallible {
  const char *symbol;
  int32_t (*call)(arrowredis_error **err);
  const char *pointers;
  int32_t code;
} FALLIBLE[] = {
    {"arrowredis_configure", configure, "R", ARROWREDIS_CONFLICT},
    {"arrowredis_options_new", options_new, "R", 0},
    {"arrowredis_options_set_string", options_set_string, "RRR", 0},
    {"arrowredis_options_set_int64", options_set_int64, "RR", 0},
    {"arrowredis_options_set_double", options_set_double, "RR", 0},
    {"arrowredis_options_set_bool", options_set_bool, "RR", 0},
    {"arrowredis_options_count", options_count, "R", 0},
    {"arrowredis_options_describe", options_describe, "R", 0},
    {"arrowredis_cancel_token_new", cancel_token_new, "R", 0},
    {"arrowredis_context_new", context_new, "R", 0},
    {"arrowredis_context_set_timeout", context_set_timeout, "R", 0},
    {"arrowredis_context_set_cancel_token", context_set_cancel_token, "RR", 0},
    {"arrowredis_context_set_max_inflight_bytes", context_set_max_inflight_bytes, "R", 0},
    {"arrowredis_context_metrics", context_metrics, "RR", 0},
    {"arrowredis_store_open", store_open, "RoR", 0},
    {"arrowredis_store_close", store_close, "R", 0},
    {"arrowredis_store_ping", store_ping, "RoR", 0},
    {"arrowredis_store_set_credentials", store_set_credentials, "RR", ARROWREDIS_UNSUPPORTED},
    {"arrowredis_metrics_text", metrics_text, "R", 0},
    {"arrowredis_server_info_fields", server_info_fields, "RR", 0},
    {"arrowredis_dataset_open", dataset_open, "RRoR", 0},
    {"arrowredis_dataset_open_without_manifest", dataset_open_without_manifest, "RRR", 0},
    {"arrowredis_dataset_info", dataset_info, "RR", 0},
    {"arrowredis_dataset_schema", dataset_schema, "RoR", 0},
    {"arrowredis_dataset_partition_count", dataset_partition_count, "RR", 0},
    {"arrowredis_dataset_partition", dataset_partition, "RR", 0},
    {"arrowredis_dataset_chunks", dataset_chunks, "RR", 0},
    {"arrowredis_dataset_nodes", dataset_nodes, "RoR", 0},
    {"arrowredis_dataset_check", dataset_check, "RoRo", 0},
    {"arrowredis_collect_garbage", collect_garbage, "RRooo", 0},
    {"arrowredis_dataset_delete", dataset_delete, "RRoo", 0},
    {"arrowredis_dataset_list_open", dataset_list_open, "RRoR", 0},
    {"arrowredis_dataset_list_get", dataset_list_get, "RR", 0},
    {"arrowredis_read", read_dataset, "RooR", 0},
    {"arrowredis_read_file", read_file, "RooR", 0},
    {"arrowredis_read_to_file", read_to_file, "RRRooo", 0},
    {"arrowredis_reader_schema", reader_schema, "RR", 0},
    {"arrowredis_reader_next", reader_next, "RRoo", 0},
    {"arrowredis_reader_export", reader_export, "RR", 0},
    {"arrowredis_reader_error", reader_error, "RR", 0},
    {"arrowredis_reader_metrics", reader_metrics, "RR", 0},
    {"arrowredis_generate_file", generate_file, "Rcoo", 0},
    {"arrowredis_upload_file", upload_file, "RRooo", ARROWREDIS_UNAVAILABLE},
    {"arrowredis_generate", generate, "ooR", 0},
    {"arrowredis_split_file", split_file, "RRRoooo", 0},
    {"arrowredis_split_stream", split_stream, "RRRoooo", 0},
    {"arrowredis_writer_open", writer_open, "RRRooR", 0},
    {"arrowredis_writer_write", writer_write, "RR", 0},
    {"arrowredis_writer_finish", writer_finish, "Roo", 0},
    {"arrowredis_verify_dataset", verify_dataset, "RoR", 0},
    {"arrowredis_verify_file", verify_file, "RoR", 0},
    {"arrowredis_verify_stream", verify_stream, "RRR", 0},
    {"arrowredis_verify", verify, "RRooR", 0},
    {"arrowredis_verify_report_side", verify_report_side, "RR", 0},
    {"arrowredis_verify_report_column", verify_report_column, "RR", 0},
    {"arrowredis_verify_report_metrics", verify_report_metrics, "RR", 0},
    {"arrowredis_log_set_callback", log_set_callback, "oo", 0},
    {"arrowredis_log_set_queue", log_set_queue, "", 0},
    {"arrowredis_log_next", log_next, "R", 0},
};
enum { FALLIBLE_COUNT = sizeof FALLIBLE / sizeof *FALLIBLE };

static void set_up(void) {
  struct ArrowArrayStream stream;
  on.generate = make_options(ARROWREDIS_OPTIONS_GENERATE, "partitions=1;batches=2;rows=20");
  on.read = make_options(ARROWREDIS_OPTIONS_READ, "columns=id64");
  on.split = make_options(ARROWREDIS_OPTIONS_SPLIT, "");
  on.store_options = make_options(ARROWREDIS_OPTIONS_STORE, "");
  on.file_read = make_options(ARROWREDIS_OPTIONS_FILE_READ, "");
  on.verify = make_options(ARROWREDIS_OPTIONS_VERIFY, "");
  on.runtime = make_options(ARROWREDIS_OPTIONS_RUNTIME, "");
  on.s3 = make_options(ARROWREDIS_OPTIONS_S3, "");
  OK(arrowredis_context_new(&on.context, &error));
  OK(arrowredis_context_new(&on.cancelled, &error));
  OK(arrowredis_cancel_token_new(&on.token, &error));
  OK(arrowredis_context_set_cancel_token(on.cancelled, on.token, &error));
  arrowredis_cancel_token_cancel(on.token);
  arrowredis_cancel_token_free(on.token);
  OK(arrowredis_cancel_token_new(&on.token, &error));
  on.store = open_store("memory://null");
  publish(on.store, "d", "partitions=2;batches=1;rows=20", "");
  OK(arrowredis_store_ping(on.store, NULL, &on.info, &error));
  on.dataset = open_dataset(on.store, "d");
  OK(arrowredis_dataset_list_open(on.store, NULL, 0, NULL, &on.list, &error));
  on.reader = start_read(on.dataset, "");
  snprintf(on.path, sizeof on.path, "%s", scratch_path("d.arrow"));
  OK(arrowredis_generate_file(TEXT(on.path), on.generate, NULL, NULL, 0, &error));
  on.writer = new_writer();
  OK(arrowredis_verify_dataset(on.dataset, NULL, &on.left, &error));
  OK(arrowredis_verify_file(TEXT(on.path), NULL, &on.right, &error));
  make_stream(&stream, 1, 20, -1, 0, NULL);
  arrowredis_verify_side *other = NULL;
  OK(arrowredis_verify_stream(TEXT("other"), &stream, &other, &error));
  /* Both have a column `partition`, of 20 and of 40 rows, in which nothing differs; the right one has another value. */
  arrowredis_options *last = make_options(ARROWREDIS_OPTIONS_READ, "partitions=1");
  arrowredis_verify_side *left = NULL;
  OK(arrowredis_verify_dataset(on.dataset, last, &left, &error));
  OK(arrowredis_verify(left, other, NULL, NULL, &on.report, &error));
  CHECK_INT(arrowredis_verify_report_column_count(on.report), 1);
  arrowredis_options_free(last);
  arrowredis_verify_side_free(left);
  arrowredis_verify_side_free(other);
}

static void tear_down(void) {
  arrowredis_options *options[] = {on.generate, on.read, on.split, on.store_options, on.file_read, on.verify, on.runtime, on.s3};
  for (size_t i = 0; i < sizeof options / sizeof *options; i++) arrowredis_options_free(options[i]);
  arrowredis_context_free(on.context);
  arrowredis_context_free(on.cancelled);
  arrowredis_cancel_token_free(on.token);
  arrowredis_store_free(on.store);
  arrowredis_server_info_free(on.info);
  arrowredis_dataset_free(on.dataset);
  arrowredis_dataset_list_free(on.list);
  arrowredis_reader_free(on.reader);
  arrowredis_writer_free(on.writer);
  arrowredis_verify_side_free(on.left);
  arrowredis_verify_side_free(on.right);
  arrowredis_verify_report_free(on.report);
}

static void check_call(const struct fallible *function, int position) {
  char letter = position < 0 ? 'b' : function->pointers[position];
  int32_t expected = letter == 'R' ? ARROWREDIS_INVALID_ARGUMENT : letter == 'c' ? ARROWREDIS_CANCELLED : function->code;
  arrowredis_error *error = NULL;
  which = position;
  int32_t code = function->call(&error);
  const char *message = arrowredis_error_message(error, NULL);
  if (code != expected || (code != 0) != (error != NULL)) {
    fail(__FILE__, __LINE__, "%s with pointer %d NULL: %d, not %d: %s", function->symbol, position, code, expected,
         message ? message : "no error");
  }
  if (letter == 'R') CHECK_CONTAINS(message, "is NULL");
  arrowredis_error_free(error);
  CHECK_INT(function->call(NULL), expected);
}

static void each_pointer_of_a_fallible_function(void) {
  set_up();
  for (int i = 0; i < FALLIBLE_COUNT; i++) {
    for (int position = -1; position < (int)strlen(FALLIBLE[i].pointers); position++) check_call(&FALLIBLE[i], position);
  }
  tear_down();
}

/* Symbols of functions that cannot fail, which the next test calls. */
static const char *const INFALLIBLE[] = {
    "arrowredis_version", "arrowredis_abi_version", "arrowredis_live_handles", "arrowredis_code_name",
    "arrowredis_error_code", "arrowredis_error_message", "arrowredis_error_retryable", "arrowredis_error_server_code",
    "arrowredis_error_partition", "arrowredis_error_batch", "arrowredis_error_free", "arrowredis_options_free",
    "arrowredis_options_kind_name", "arrowredis_cancel_token_cancel", "arrowredis_cancel_token_is_cancelled",
    "arrowredis_cancel_token_free", "arrowredis_context_free", "arrowredis_store_description", "arrowredis_store_free",
    "arrowredis_server_info_denied_command", "arrowredis_server_info_free", "arrowredis_dataset_free",
    "arrowredis_dataset_list_count", "arrowredis_dataset_list_free", "arrowredis_reader_cancel",
    "arrowredis_reader_free", "arrowredis_writer_cancel", "arrowredis_writer_free", "arrowredis_verify_side_free",
    "arrowredis_verify_report_identical", "arrowredis_verify_report_column_count",
    "arrowredis_verify_report_difference", "arrowredis_verify_report_note", "arrowredis_verify_report_free",
    "arrowredis_log_dropped", "arrowredis_log_record_level", "arrowredis_log_record_target",
    "arrowredis_log_record_message", "arrowredis_log_record_free", "arrowredis_text_get", "arrowredis_text_free",
};
enum { INFALLIBLE_COUNT = sizeof INFALLIBLE / sizeof *INFALLIBLE };

static void null_in_functions_that_cannot_fail(void) {
  size_t length = 7;
  CHECK_INT(arrowredis_error_code(NULL), 0);
  CHECK(!arrowredis_error_message(NULL, &length));
  CHECK_INT(length, 0);
  CHECK(!arrowredis_error_message(NULL, NULL));
  CHECK_INT(arrowredis_error_retryable(NULL), 0);
  CHECK(!arrowredis_error_server_code(NULL, NULL));
  CHECK_INT(arrowredis_error_partition(NULL), -1);
  CHECK_INT(arrowredis_error_batch(NULL), -1);
  CHECK(!arrowredis_code_name(-1));
  CHECK(!arrowredis_options_kind_name(99));
  CHECK(!arrowredis_store_description(NULL, NULL));
  CHECK(!arrowredis_server_info_denied_command(NULL, 0, NULL));
  CHECK_INT(arrowredis_dataset_list_count(NULL), 0);
  CHECK_INT(arrowredis_cancel_token_is_cancelled(NULL), 0);
  CHECK_INT(arrowredis_verify_report_identical(NULL), 0);
  CHECK_INT(arrowredis_verify_report_column_count(NULL), 0);
  CHECK(!arrowredis_verify_report_difference(NULL, 0, NULL));
  CHECK(!arrowredis_verify_report_note(NULL, 0, NULL));
  CHECK_INT(arrowredis_log_record_level(NULL), 0);
  CHECK(!arrowredis_log_record_target(NULL, NULL));
  CHECK(!arrowredis_log_record_message(NULL, NULL));
  CHECK_INT(arrowredis_log_dropped(), 0);
  CHECK(!arrowredis_text_get(NULL, NULL));
  CHECK(arrowredis_version());
  CHECK_INT(arrowredis_abi_version(), ARROWREDIS_ABI_VERSION);
  arrowredis_cancel_token_cancel(NULL);
  arrowredis_reader_cancel(NULL);
  arrowredis_writer_cancel(NULL);
  arrowredis_error_free(NULL);
  arrowredis_options_free(NULL);
  arrowredis_cancel_token_free(NULL);
  arrowredis_context_free(NULL);
  arrowredis_store_free(NULL);
  arrowredis_server_info_free(NULL);
  arrowredis_dataset_free(NULL);
  arrowredis_dataset_list_free(NULL);
  arrowredis_reader_free(NULL);
  arrowredis_writer_free(NULL);
  arrowredis_verify_side_free(NULL);
  arrowredis_verify_report_free(NULL);
  arrowredis_log_record_free(NULL);
  arrowredis_text_free(NULL);
}

static int is_in_a_table(const char *symbol) {
  for (int i = 0; i < FALLIBLE_COUNT; i++) {
    if (strcmp(FALLIBLE[i].symbol, symbol) == 0) return 1;
  }
  for (int i = 0; i < INFALLIBLE_COUNT; i++) {
    if (strcmp(INFALLIBLE[i], symbol) == 0) return 1;
  }
  return 0;
}

static void the_tables_name_every_symbol(void) {
  FILE *symbols = fopen(SYMBOLS_FILE, "r");
  char symbol[128];
  int count = 0;
  CHECK(symbols);
  while (fgets(symbol, sizeof symbol, symbols)) {
    symbol[strcspn(symbol, "\n")] = 0;
    if (!is_in_a_table(symbol)) fail(__FILE__, __LINE__, "%s is in neither table", symbol);
    count++;
  }
  fclose(symbols);
  CHECK_INT(count, FALLIBLE_COUNT + INFALLIBLE_COUNT);
}

int main(int argc, char **argv) {
  static const struct test tests[] = {
      {"each_pointer_of_a_fallible_function", each_pointer_of_a_fallible_function},
      {"null_in_functions_that_cannot_fail", null_in_functions_that_cannot_fail},
      {"the_tables_name_every_symbol", the_tables_name_every_symbol},
  };
  return run_tests(argc, argv, tests, sizeof tests / sizeof *tests);
}
