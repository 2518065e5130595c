/* Writing what the caller has in memory: batch by batch, and as a stream; what is handed over is released. */
#include <errno.h>

#include "data.h"
#include "harness.h"

static arrowredis_writer *open_writer(const arrowredis_store *store, const char *prefix, const arrowredis_context *context) {
  struct ArrowSchema schema;
  arrowredis_writer *writer = NULL;
  make_schema(&schema);
  OK(arrowredis_writer_open(store, TEXT(prefix), &schema, NULL, context, &writer, &error));
  CHECK(!schema.release);
  return writer;
}

static void write_batch(const arrowredis_writer *writer, int partition, int64_t first, int64_t rows) {
  struct ArrowArray batch;
  make_batch(&batch, partition, first, rows);
  OK(arrowredis_writer_write(writer, &batch, &error));
  CHECK(!batch.release);
}

static void batch_by_batch(void) {
  arrowredis_store *store = open_store("memory://write");
  arrowredis_writer *writer = open_writer(store, "w", NULL);
  arrowredis_dataset *dataset = NULL;
  write_batch(writer, 7, 0, 100);
  write_batch(writer, 3, 100, 50);
  write_batch(writer, 7, 150, 25);
  FAILS(arrowredis_dataset_open(store, TEXT("w"), NULL, &dataset, &error), ARROWREDIS_NOT_FOUND, "w");
  arrowredis_split_report report;
  arrowredis_metrics metrics;
  OK(arrowredis_writer_finish(writer, &report, sizeof report, &metrics, sizeof metrics, &error));
  CHECK_INT(strlen(report.upload_id), 32);
  CHECK_INT(report.partitions, 2);
  CHECK_INT(report.chunks, 3);
  CHECK_TEXT(report.replaced_upload_id, "");
  CHECK_INT(metrics.rows, 175);
  FAILS(arrowredis_writer_finish(writer, NULL, 0, NULL, 0, &error), ARROWREDIS_INVALID_ARGUMENT, "finished already");
  struct ArrowArray batch;
  make_batch(&batch, 1, 0, 1);
  FAILS(arrowredis_writer_write(writer, &batch, &error), ARROWREDIS_INVALID_ARGUMENT, "finished already");
  CHECK(!batch.release);
  arrowredis_writer_free(writer);
  dataset = open_dataset(store, "w");
  arrowredis_reader *reader = start_read(dataset, "partitions=7;columns=name,id");
  struct ArrowArray array;
  uint32_t partition, position;
  CHECK(next_batch(reader, &array, &partition, &position));
  CHECK(partition == 7 && position == 0 && array.length == 100);
  CHECK(memcmp((const char *)array.children[0]->buffers[2], "row 0row 1", 10) == 0);
  CHECK_INT(((const int64_t *)array.children[1]->buffers[1])[99], 99);
  array.release(&array);
  CHECK_INT(count_rows(reader), 25);
  arrowredis_reader_free(reader);
  arrowredis_dataset_free(dataset);
  arrowredis_store_free(store);
}

static void replaced_versions_are_reported(void) {
  arrowredis_store *store = open_store("memory://versions");
  arrowredis_options *options = make_options(ARROWREDIS_OPTIONS_SPLIT, "versioned=on;overwrite=on");
  char first[40] = "";
  for (int i = 0; i < 2; i++) {
    struct ArrowArrayStream stream;
    arrowredis_split_report report;
    make_stream(&stream, 2, 10, -1, 0, NULL);
    OK(arrowredis_split_stream(store, TEXT("v"), &stream, options, NULL, &report, sizeof report, NULL, 0, &error));
    CHECK_TEXT(report.replaced_upload_id, first);
    memcpy(first, report.upload_id, sizeof first);
  }
  arrowredis_garbage_report garbage;
  struct ArrowArrayStream names;
  OK(arrowredis_collect_garbage(store, TEXT("v"), NULL, &garbage, sizeof garbage, &names, &error));
  CHECK_INT(garbage.dead_uploads, 0);
  CHECK_INT(garbage.in_use, 0);
  CHECK_INT(count_stream_rows(&names), garbage.datasets);
  names.release(&names);
  arrowredis_options_free(options);
  arrowredis_store_free(store);
}

static void a_writer_freed_before_it_finished(void) {
  arrowredis_store *store = open_store("memory://abandoned");
  arrowredis_writer *writer = open_writer(store, "a", NULL);
  for (int i = 0; i < 5; i++) write_batch(writer, i, 0, 1000);
  arrowredis_writer_free(writer);
  arrowredis_dataset_list *list = NULL;
  OK(arrowredis_dataset_list_open(store, NULL, 0, NULL, &list, &error));
  CHECK_INT(arrowredis_dataset_list_count(list), 0);
  arrowredis_dataset_list_free(list);
  arrowredis_store_free(store);
}

static void two_writers_of_one_dataset(void) {
  arrowredis_store *store = open_store("memory://two");
  arrowredis_writer *first = open_writer(store, "t", NULL), *second = open_writer(store, "t", NULL);
  write_batch(first, 0, 0, 10);
  write_batch(second, 0, 0, 10);
  arrowredis_error *errors[2] = {NULL, NULL};
  int32_t codes[2] = {arrowredis_writer_finish(first, NULL, 0, NULL, 0, &errors[0]),
                      arrowredis_writer_finish(second, NULL, 0, NULL, 0, &errors[1])};
  CHECK_INT(codes[0] + codes[1], ARROWREDIS_CONFLICT);
  arrowredis_error_free(errors[0]);
  arrowredis_error_free(errors[1]);
  arrowredis_writer_free(first);
  arrowredis_writer_free(second);
  arrowredis_store_free(store);
}

static void a_cancelled_writer(void) {
  arrowredis_store *store = open_store("memory://cancelled");
  arrowredis_writer *writer = open_writer(store, "c", NULL);
  write_batch(writer, 0, 0, 10);
  arrowredis_writer_cancel(writer);
  FAILS(arrowredis_writer_finish(writer, NULL, 0, NULL, 0, &error), ARROWREDIS_CANCELLED, "cancelled");
  FAILS(arrowredis_writer_finish(writer, NULL, 0, NULL, 0, &error), ARROWREDIS_CANCELLED, "cancelled");
  arrowredis_dataset *dataset = NULL;
  FAILS(arrowredis_dataset_open(store, TEXT("c"), NULL, &dataset, &error), ARROWREDIS_NOT_FOUND, "c");
  arrowredis_writer_free(writer);
  arrowredis_store_free(store);
}

static void rows_of_several_partitions(struct ArrowArray *batch) {
  ((int32_t *)batch->children[0]->buffers[1])[3] = 9;
}
static void too_few_columns(struct ArrowArray *batch) {
  batch->children[2]->release(batch->children[2]);
  free(batch->children[2]);
  batch->n_children = 2;
}
static void no_columns(struct ArrowArray *batch) {
  for (int i = 0; i < 3; i++) {
    batch->children[i]->release(batch->children[i]);
    free(batch->children[i]);
  }
  batch->n_children = 0;
}
static void offsets_backwards(struct ArrowArray *batch) { ((int32_t *)batch->children[2]->buffers[1])[2] = 1; }
static void offsets_negative(struct ArrowArray *batch) { ((int32_t *)batch->children[2]->buffers[1])[0] = -5; }
static void text_not_utf8(struct ArrowArray *batch) { ((char *)batch->children[2]->buffers[2])[2] = (char)0xff; }
static void short_column(struct ArrowArray *batch) { batch->children[1]->length = 3; }
static void too_few_buffers(struct ArrowArray *batch) {
  free((void *)batch->children[2]->buffers[2]);
  batch->children[2]->n_buffers = 2;
}

/* What does not fit changes nothing: the next batch may. */
static void batches_that_do_not_fit(void) {
  static const struct { const char *name; void (*spoil)(struct ArrowArray *batch); } cases[] = {
      {"too_few_columns", too_few_columns}, {"no_columns", no_columns},
      {"offsets_backwards", offsets_backwards}, {"offsets_negative", offsets_negative},
      {"text_not_utf8", text_not_utf8}, {"short_column", short_column}, {"too_few_buffers", too_few_buffers},
  };
  arrowredis_store *store = open_store("memory://unfit");
  arrowredis_writer *writer = open_writer(store, "u", NULL);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct ArrowArray batch;
    make_batch(&batch, 0, 0, 10);
    cases[i].spoil(&batch);
    arrowredis_error *error = NULL;
    int32_t code = arrowredis_writer_write(writer, &batch, &error);
    if (code != ARROWREDIS_INVALID_ARGUMENT) fail(__FILE__, __LINE__, "%s: code %d", cases[i].name, code);
    CHECK_CONTAINS(arrowredis_error_message(error, NULL), "argument 'batch'");
    CHECK(!batch.release);
    arrowredis_error_free(error);
  }
  struct ArrowArray released = {0};
  FAILS(arrowredis_writer_write(writer, &released, &error), ARROWREDIS_INVALID_ARGUMENT, "released or moved already");
  write_batch(writer, 0, 0, 10);
  OK(arrowredis_writer_finish(writer, NULL, 0, NULL, 0, &error));
  arrowredis_writer_free(writer);
  arrowredis_dataset *dataset = open_dataset(store, "u");
  arrowredis_reader *reader = start_read(dataset, "");
  CHECK_INT(count_rows(reader), 10);
  arrowredis_reader_free(reader);
  arrowredis_dataset_free(dataset);
  arrowredis_store_free(store);
}

static void an_upload_that_fails_ends_the_writer(void) {
  arrowredis_store *store = open_store("memory://mixed");
  arrowredis_writer *writer = open_writer(store, "m", NULL);
  struct ArrowArray batch;
  make_batch(&batch, 0, 0, 10);
  rows_of_several_partitions(&batch);
  OK(arrowredis_writer_write(writer, &batch, &error)); /* it fits the schema */
  FAILS(arrowredis_writer_finish(writer, NULL, 0, NULL, 0, &error), ARROWREDIS_INVALID_ARGUMENT, "repartition");
  make_batch(&batch, 0, 0, 10);
  FAILS(arrowredis_writer_write(writer, &batch, &error), ARROWREDIS_INVALID_ARGUMENT, "repartition");
  CHECK(!batch.release);
  arrowredis_writer_free(writer);
  arrowredis_store_free(store);
}

static void no_format(struct ArrowSchema *schema) { schema->children[1]->format = NULL; }
static void unknown_format(struct ArrowSchema *schema) { schema->children[1]->format = "?"; }
static void not_a_struct(struct ArrowSchema *schema) { schema->format = "l"; }
static void no_name(struct ArrowSchema *schema) { schema->children[0]->name = NULL; }

static void schemas_that_cannot_be(void) {
  static const struct { const char *name; void (*spoil)(struct ArrowSchema *schema); } cases[] = {
      {"no_format", no_format}, {"unknown_format", unknown_format}, {"not_a_struct", not_a_struct}};
  arrowredis_store *store = open_store("memory://schemas");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct ArrowSchema schema;
    arrowredis_writer *writer = NULL;
    make_schema(&schema);
    cases[i].spoil(&schema);
    FAILS(arrowredis_writer_open(store, TEXT("s"), &schema, NULL, NULL, &writer, &error), ARROWREDIS_INVALID_ARGUMENT,
          "argument 'schema' is no schema of record batches");
    CHECK(!writer && !schema.release);
  }
  /* A name may be left out. */
  struct ArrowSchema schema;
  arrowredis_writer *writer = NULL;
  make_schema(&schema);
  no_name(&schema);
  OK(arrowredis_writer_open(store, TEXT("s"), &schema, NULL, NULL, &writer, &error));
  arrowredis_writer_free(writer);
  arrowredis_store_free(store);
}

/* Whatever is wrong with the other arguments, what is handed over is released. */
static void handed_over_even_if_the_call_fails(void) {
  arrowredis_store *store = open_store("memory://handed");
  for (int i = 0; i < 3; i++) {
    const arrowredis_store *where = i == 0 ? NULL : store;
    const char *prefix = i == 1 ? "{bad}" : "\xff";
    struct ArrowSchema schema;
    struct ArrowArrayStream stream;
    arrowredis_writer *writer = NULL;
    make_schema(&schema);
    FAILS(arrowredis_writer_open(where, TEXT(prefix), &schema, NULL, NULL, &writer, &error),
          ARROWREDIS_INVALID_ARGUMENT, "");
    CHECK(!schema.release);
    make_stream(&stream, 1, 1, -1, 0, NULL);
    FAILS(arrowredis_split_stream(where, TEXT(prefix), &stream, NULL, NULL, NULL, 0, NULL, 0, &error),
          ARROWREDIS_INVALID_ARGUMENT, "");
    CHECK(!stream.release);
    FAILS(arrowredis_split_stream(store, TEXT("p"), &stream, NULL, NULL, NULL, 0, NULL, 0, &error),
          ARROWREDIS_INVALID_ARGUMENT, "'stream' was released or moved already");
  }
  struct ArrowArray batch;
  make_batch(&batch, 0, 0, 1);
  FAILS(arrowredis_writer_write(NULL, &batch, &error), ARROWREDIS_INVALID_ARGUMENT, "'writer' is NULL");
  CHECK(!batch.release);
  CHECK_INT(own_structs_alive(), 0);
  arrowredis_store_free(store);
}

/* The caller's stream fails: its text and the kind of its errno come back, and nothing is published. */
static void a_stream_of_the_caller_s_that_fails(void) {
  static const struct { int error_code; const char *text; int32_t code; const char *part; } cases[] = {
      {EIO, "disk on fire", ARROWREDIS_IO, "disk on fire"},
      {ECANCELED, "stop", ARROWREDIS_CANCELLED, "stop"},
      {ETIMEDOUT, NULL, ARROWREDIS_TIMEOUT, "timed out"},
      {ENOMEM, "", ARROWREDIS_RESOURCE_EXHAUSTED, "memory"},
      {EINVAL, "bad \xff bytes", ARROWREDIS_INVALID_ARGUMENT, "bad \xef\xbf\xbd bytes"},
      {ENOSYS, NULL, ARROWREDIS_UNSUPPORTED, ""},
      {12345, "odd", ARROWREDIS_IO, "odd"},
  };
  arrowredis_store *store = open_store("memory://failing");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    for (int after = 0; after < 3; after += 2) {
      struct ArrowArrayStream stream;
      arrowredis_dataset *dataset = NULL;
      make_stream(&stream, 3, 10, after, cases[i].error_code, cases[i].text);
      FAILS(arrowredis_split_stream(store, TEXT("f"), &stream, NULL, NULL, NULL, 0, NULL, 0, &error), cases[i].code,
            cases[i].part);
      FAILS(arrowredis_dataset_open(store, TEXT("f"), NULL, &dataset, &error), ARROWREDIS_NOT_FOUND, "f");
      wait_until_own_structs_are_released();
    }
  }
  arrowredis_store_free(store);
}

static void an_existing_dataset_is_not_overwritten(void) {
  arrowredis_store *store = open_store("memory://exists");
  publish(store, "e", "partitions=1;batches=1;rows=3", "");
  struct ArrowArrayStream stream;
  make_stream(&stream, 1, 10, -1, 0, NULL);
  FAILS(arrowredis_split_stream(store, TEXT("e"), &stream, NULL, NULL, NULL, 0, NULL, 0, &error),
        ARROWREDIS_ALREADY_EXISTS, "overwrite");
  wait_until_own_structs_are_released();
  arrowredis_store_free(store);
}

static void a_file_is_split_and_read_back(void) {
  const char *path = scratch_path("s.arrow"), *copy = scratch_path("copy.arrow");
  arrowredis_store *store = open_store("memory://file");
  arrowredis_options *shape = make_options(ARROWREDIS_OPTIONS_GENERATE, "partitions=2;batches=3;rows=100");
  arrowredis_split_report report;
  OK(arrowredis_generate_file(TEXT(path), shape, NULL, NULL, 0, &error));
  OK(arrowredis_split_file(store, TEXT("f"), TEXT(path), NULL, NULL, &report, sizeof report, NULL, 0, &error));
  CHECK_INT(report.chunks_copied, 6);
  arrowredis_dataset *dataset = open_dataset(store, "f");
  OK(arrowredis_read_to_file(dataset, TEXT(copy), NULL, 0, NULL, NULL, NULL, 0, &error));
  FAILS(arrowredis_read_to_file(dataset, TEXT(copy), TEXT("brotli"), NULL, NULL, NULL, 0, &error),
        ARROWREDIS_INVALID_ARGUMENT, "'compression' cannot be 'brotli'");
  arrowredis_verify_side *left = NULL, *right = NULL;
  arrowredis_verify_report *verified = NULL;
  OK(arrowredis_verify_file(TEXT(path), NULL, &left, &error));
  OK(arrowredis_verify_file(TEXT(copy), NULL, &right, &error));
  OK(arrowredis_verify(left, right, NULL, NULL, &verified, &error));
  CHECK_INT(arrowredis_verify_report_identical(verified), 1);
  arrowredis_verify_report_free(verified);
  arrowredis_verify_side_free(left);
  arrowredis_verify_side_free(right);
  arrowredis_dataset_free(dataset);
  arrowredis_options_free(shape);
  arrowredis_store_free(store);
}

int main(int argc, char **argv) {
  static const struct test tests[] = {
      {"batch_by_batch", batch_by_batch},
      {"replaced_versions_are_reported", replaced_versions_are_reported},
      {"a_writer_freed_before_it_finished", a_writer_freed_before_it_finished},
      {"two_writers_of_one_dataset", two_writers_of_one_dataset},
      {"a_cancelled_writer", a_cancelled_writer},
      {"batches_that_do_not_fit", batches_that_do_not_fit},
      {"an_upload_that_fails_ends_the_writer", an_upload_that_fails_ends_the_writer},
      {"schemas_that_cannot_be", schemas_that_cannot_be},
      {"handed_over_even_if_the_call_fails", handed_over_even_if_the_call_fails},
      {"a_stream_of_the_caller_s_that_fails", a_stream_of_the_caller_s_that_fails},
      {"an_existing_dataset_is_not_overwritten", an_existing_dataset_is_not_overwritten},
      {"a_file_is_split_and_read_back", a_file_is_split_and_read_back},
  };
  return run_tests(argc, argv, tests, sizeof tests / sizeof *tests);
}
