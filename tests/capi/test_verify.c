/* Comparisons, and log records. */
#include <pthread.h>
#include <stdatomic.h>

#include "data.h"
#include "harness.h"
#include "server.h"

static arrowredis_verify_side *side_of_stream(const char *name, int batches, int64_t rows, int64_t first) {
  arrowredis_verify_side *side = NULL;
  arrowredis_store *store = open_store("memory://side");
  arrowredis_writer *writer = NULL;
  struct ArrowSchema schema;
  make_schema(&schema);
  OK(arrowredis_writer_open(store, TEXT(name), &schema, NULL, NULL, &writer, &error));
  for (int i = 0; i < batches; i++) {
    struct ArrowArray batch;
    make_batch(&batch, i, first + i * rows, rows);
    OK(arrowredis_writer_write(writer, &batch, &error));
  }
  OK(arrowredis_writer_finish(writer, NULL, 0, NULL, 0, &error));
  arrowredis_writer_free(writer);
  arrowredis_dataset *dataset = open_dataset(store, name);
  OK(arrowredis_verify_dataset(dataset, NULL, &side, &error));
  arrowredis_dataset_free(dataset);
  arrowredis_store_free(store);
  return side;
}

static void the_same_data(void) {
  arrowredis_verify_side *left = side_of_stream("same", 3, 20, 0), *right = NULL;
  struct ArrowArrayStream stream;
  make_stream(&stream, 3, 20, -1, 0, NULL);
  OK(arrowredis_verify_stream(TEXT("my stream"), &stream, &right, &error));
  arrowredis_verify_report *report = NULL;
  OK(arrowredis_verify(left, right, NULL, NULL, &report, &error));
  CHECK_INT(arrowredis_verify_report_identical(report), 1);
  CHECK_INT(arrowredis_verify_report_column_count(report), 0);
  CHECK(!arrowredis_verify_report_difference(report, 0, NULL));
  arrowredis_verify_side_fields fields;
  OK(arrowredis_verify_report_side(report, 1, &fields, sizeof fields, &error));
  CHECK_TEXT(fields.name, "my stream");
  CHECK(fields.rows == 60 && fields.columns == 3 && fields.batches == 3 && fields.payload_bytes == -1);
  FAILS(arrowredis_verify_report_side(report, 2, &fields, sizeof fields, &error), ARROWREDIS_INVALID_ARGUMENT,
        "there is no side 2");
  arrowredis_metrics metrics;
  OK(arrowredis_verify_report_metrics(report, &metrics, sizeof metrics, &error));
  CHECK_INT(metrics.rows, 60);
  arrowredis_verify_report *again = NULL;
  FAILS(arrowredis_verify(left, right, NULL, NULL, &again, &error), ARROWREDIS_INVALID_ARGUMENT,
        "my stream was read by an earlier comparison");
  arrowredis_verify_report_free(report);
  arrowredis_verify_side_free(left);
  arrowredis_verify_side_free(right);
}

/* Partition 1 of a file is partition 1 of the dataset that was made from it, and not its partition 0. */
static void some_partitions_of_a_file(void) {
  const char *path = scratch_path("some.arrow");
  arrowredis_options *generate = make_options(ARROWREDIS_OPTIONS_GENERATE, "partitions=3;batches=2;rows=20");
  OK(arrowredis_generate_file(TEXT(path), generate, NULL, NULL, 0, &error));
  arrowredis_store *store = open_store("memory://some");
  publish(store, "d", "partitions=3;batches=2;rows=20", "");
  arrowredis_dataset *dataset = open_dataset(store, "d");
  for (int partition = 0; partition < 2; partition++) {
    arrowredis_options *of_file = make_options(ARROWREDIS_OPTIONS_FILE_READ, "partitions=1");
    arrowredis_options *of_dataset = make_options(ARROWREDIS_OPTIONS_READ, partition ? "partitions=1" : "partitions=0");
    arrowredis_options *options = make_options(ARROWREDIS_OPTIONS_VERIFY, partition ? "by_partition=on" : "");
    arrowredis_verify_side *left = NULL, *right = NULL;
    arrowredis_verify_report *report = NULL;
    OK(arrowredis_verify_file(TEXT(path), of_file, &left, &error));
    OK(arrowredis_verify_dataset(dataset, of_dataset, &right, &error));
    OK(arrowredis_verify(left, right, options, NULL, &report, &error));
    CHECK_INT(arrowredis_verify_report_identical(report), partition);
    arrowredis_metrics metrics;
    OK(arrowredis_verify_report_metrics(report, &metrics, sizeof metrics, &error));
    CHECK_INT(metrics.rows, 40);
    arrowredis_verify_report_free(report);
    arrowredis_verify_side_free(left);
    arrowredis_verify_side_free(right);
    arrowredis_options_free(of_file);
    arrowredis_options_free(of_dataset);
    arrowredis_options_free(options);
  }
  arrowredis_options_free(generate);
  arrowredis_dataset_free(dataset);
  arrowredis_store_free(store);
}

static void each_column_that_differs(void) {
  arrowredis_verify_side *left = side_of_stream("left", 2, 20, 0), *right = side_of_stream("right", 2, 20, 5);
  arrowredis_options *options = make_options(ARROWREDIS_OPTIONS_VERIFY, "by_partition=on");
  arrowredis_verify_report *report = NULL;
  OK(arrowredis_verify(left, right, options, NULL, &report, &error));
  CHECK_INT(arrowredis_verify_report_identical(report), 0);
  CHECK_INT(arrowredis_verify_report_column_count(report), 2);
  static const struct { const char *column, *left, *right; } expected[] = {{"id", "0", "5"},
                                                                         {"name", "row 0", "row 5"}};
  for (size_t i = 0; i < 2; i++) {
    arrowredis_column_difference difference;
    OK(arrowredis_verify_report_column(report, i, &difference, sizeof difference, &error));
    CHECK_TEXT(difference.column, expected[i].column);
    CHECK_TEXT(difference.partition, "0");
    CHECK_INT(difference.row, 0);
    CHECK_CONTAINS(difference.left, expected[i].left);
    CHECK_CONTAINS(difference.right, expected[i].right);
    size_t length = 0;
    const char *sentence = arrowredis_verify_report_difference(report, i, &length);
    CHECK_CONTAINS(sentence, expected[i].column);
    CHECK_INT(length, strlen(sentence));
  }
  arrowredis_verify_report_free(report);
  arrowredis_options_free(options);
  arrowredis_verify_side_free(left);
  arrowredis_verify_side_free(right);
}

struct seen {
  atomic_int calls;
  atomic_int warnings;
};

static void notice(void *user_data, int32_t level, const char *target, const char *message) {
  struct seen *seen = (struct seen *)user_data;
  if (strncmp(target, "arrowredis", 10) != 0 || strlen(message) == 0) abort();
  atomic_fetch_add(&seen->calls, 1);
  if (level <= ARROWREDIS_LOG_WARN) atomic_fetch_add(&seen->warnings, 1);
}

/* A retry is worth a record: a server that is gone brings some. */
static void cause_records(void) {
  arrowredis_options *options = make_options(ARROWREDIS_OPTIONS_STORE, "max_retries=2;retry_base_delay=1ms");
  arrowredis_store *store = NULL;
  arrowredis_server_info *info = NULL;
  OK(arrowredis_store_open(TEXT("redis://127.0.0.1:1"), options, &store, &error));
  FAILS(arrowredis_store_ping(store, NULL, &info, &error), ARROWREDIS_UNAVAILABLE, "127.0.0.1:1");
  arrowredis_store_free(store);
  arrowredis_options_free(options);
}

static void records_for_a_callback(void) {
  struct seen seen = {0, 0};
  FAILS(arrowredis_log_set_callback(6, notice, &seen, &error), ARROWREDIS_INVALID_ARGUMENT, "there is no log level 6");
  FAILS(arrowredis_log_set_callback(-1, notice, &seen, &error), ARROWREDIS_INVALID_ARGUMENT, "level -1");
  OK(arrowredis_log_set_callback(ARROWREDIS_LOG_INFO, notice, &seen, &error));
  cause_records();
  int calls = atomic_load(&seen.calls);
  CHECK(calls >= 2);
  OK(arrowredis_log_set_callback(ARROWREDIS_LOG_ERROR, notice, &seen, &error));
  cause_records();
  CHECK_INT(atomic_load(&seen.calls), calls);
  OK(arrowredis_log_set_callback(ARROWREDIS_LOG_INFO, NULL, NULL, &error));
  cause_records();
  CHECK_INT(atomic_load(&seen.calls), calls);
}

static void *end_the_queue(void *unused) {
  OK(arrowredis_log_set_queue(ARROWREDIS_LOG_OFF, 0, &error));
  return unused;
}

static void records_in_a_queue(void) {
  arrowredis_log_record *record = NULL;
  OK(arrowredis_log_next(0, &record, &error));
  CHECK(!record);
  FAILS(arrowredis_log_set_queue(ARROWREDIS_LOG_INFO, 0, &error), ARROWREDIS_INVALID_ARGUMENT, "'capacity' cannot be 0");
  OK(arrowredis_log_set_queue(ARROWREDIS_LOG_INFO, 1, &error));
  cause_records();
  CHECK(arrowredis_log_dropped() >= 1);
  OK(arrowredis_log_next(0, &record, &error));
  CHECK_INT(arrowredis_log_record_level(record), ARROWREDIS_LOG_INFO);
  CHECK_CONTAINS(arrowredis_log_record_target(record, NULL), "arrowredis");
  size_t length = 0;
  const char *message = arrowredis_log_record_message(record, &length);
  CHECK_CONTAINS(message, "127.0.0.1:1");
  CHECK_INT(length, strlen(message));
  arrowredis_log_record_free(record);
  OK(arrowredis_log_next(0, &record, &error));
  CHECK(!record);
  /* Who waits is woken when the queue ends. */
  pthread_t thread;
  CHECK_INT(pthread_create(&thread, NULL, end_the_queue, NULL), 0);
  OK(arrowredis_log_next(60000, &record, &error));
  CHECK(!record);
  CHECK_INT(pthread_join(thread, NULL), 0);
}

int main(int argc, char **argv) {
  static const struct test tests[] = {
      {"the_same_data", the_same_data},
      {"some_partitions_of_a_file", some_partitions_of_a_file},
      {"each_column_that_differs", each_column_that_differs},
      {"records_for_a_callback", records_for_a_callback},
      {"records_in_a_queue", records_in_a_queue},
  };
  return run_tests(argc, argv, tests, sizeof tests / sizeof *tests);
}
