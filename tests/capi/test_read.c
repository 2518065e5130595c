/* Reading: batch by batch, as streams, on every store; what is exported, and how long it lives. */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>

#include "data.h"
#include "harness.h"
#include "server.h"

static const char SHAPE[] = "partitions=3;batches=2;rows=500;dict_strings=on";

static const char *file_url(void) {
  static char url[512];
  snprintf(url, sizeof url, "file://%s", scratch_path("store"));
  return url;
}

/* Every kind of store shows the same dataset. */
static void read_all_of(const char *url) {
  arrowredis_store *store = open_store(url);
  publish(store, "a:b", SHAPE, "");
  arrowredis_dataset *dataset = open_dataset(store, "a:b");
  arrowredis_dataset_fields fields;
  OK(arrowredis_dataset_info(dataset, &fields, sizeof fields, &error));
  CHECK_TEXT(fields.prefix, "a:b");
  CHECK_TEXT(fields.compression, "zstd");
  CHECK_TEXT(fields.partition_column, "partition");
  CHECK_INT(strlen(fields.upload_id), 32);
  CHECK_INT(fields.rows, 3000);
  CHECK_INT(fields.chunks, 6);
  CHECK_INT(fields.has_manifest, 1);
  size_t partitions = 0;
  OK(arrowredis_dataset_partition_count(dataset, &partitions, &error));
  CHECK_INT(partitions, 3);
  arrowredis_partition partition;
  OK(arrowredis_dataset_partition(dataset, 2, &partition, sizeof partition, &error));
  CHECK_INT(partition.partition, 2);
  CHECK_TEXT(partition.value, "2");
  CHECK_INT(partition.batches, 2);
  CHECK_INT(partition.rows, 1000);
  FAILS(arrowredis_dataset_partition(dataset, 3, &partition, sizeof partition, &error), ARROWREDIS_INVALID_ARGUMENT,
        "there is no partition 3: there are 3");

  arrowredis_reader *reader = start_read(dataset, "partitions=2,0;columns=float64_c,id64");
  struct ArrowSchema schema;
  OK(arrowredis_reader_schema(reader, &schema, &error));
  CHECK_INT(schema.n_children, 2);
  CHECK_TEXT(schema.children[0]->name, "float64_c");
  CHECK_TEXT(schema.children[1]->format, "l");
  schema.release(&schema);
  static const uint32_t places[4][2] = {{0, 0}, {0, 1}, {2, 0}, {2, 1}};
  for (int i = 0; i < 4; i++) {
    struct ArrowArray array;
    uint32_t number, batch;
    CHECK(next_batch(reader, &array, &number, &batch));
    CHECK_INT(number, places[i][0]);
    CHECK_INT(batch, places[i][1]);
    const int64_t *ids = (const int64_t *)array.children[1]->buffers[1];
    CHECK_INT(ids[0], (places[i][0] * 2 + places[i][1]) * 500);
    CHECK_INT(ids[499], ids[0] + 499);
    array.release(&array);
    CHECK(!array.release);
  }
  CHECK_INT(count_rows(reader), 0);
  CHECK_INT(count_rows(reader), 0); /* the end is sticky */
  arrowredis_metrics metrics;
  OK(arrowredis_reader_metrics(reader, &metrics, sizeof metrics, &error));
  CHECK_INT(metrics.rows, 2000);
  CHECK_INT(metrics.chunks, 4);
  CHECK_INT(metrics.chunks_expected, 4);
  arrowredis_error *none = (arrowredis_error *)&metrics;
  OK(arrowredis_reader_error(reader, &none, &error));
  CHECK(!none);
  arrowredis_reader_free(reader);
  arrowredis_dataset_free(dataset);
  uint64_t deleted = 0;
  OK(arrowredis_dataset_delete(store, TEXT("a:b"), NULL, &deleted, &error));
  CHECK_INT(deleted, 6);
  FAILS(arrowredis_dataset_open(store, TEXT("a:b"), NULL, &dataset, &error), ARROWREDIS_NOT_FOUND, "a:b");
  arrowredis_store_free(store);
}

static void memory_store(void) { read_all_of("memory://all"); }

static void directory_store(void) { read_all_of(file_url()); }

static void redis_store(void) {
  struct server server;
  server_start(&server, NULL);
  read_all_of(server.url);
  server_stop(&server);
}

static void listing_and_server_info(void) {
  struct server server;
  server_start(&server, NULL);
  arrowredis_store *store = open_store(server.url);
  publish(store, "b:1", SHAPE, "");
  publish(store, "a:1", SHAPE, "");
  publish(store, "b:1", "partitions=1;batches=1;rows=10", "versioned=on;overwrite=on");
  arrowredis_dataset_list *list = NULL;
  OK(arrowredis_dataset_list_open(store, NULL, 0, NULL, &list, &error));
  static const struct { const char *prefix; int rows, chunks, unlisted; } expected[] = {{"a:1", 3000, 6, 0},
                                                                                      {"b:1", 10, 1, 6}};
  CHECK_INT(arrowredis_dataset_list_count(list), 2);
  for (size_t i = 0; i < 2; i++) {
    arrowredis_dataset_summary summary;
    OK(arrowredis_dataset_list_get(list, i, &summary, sizeof summary, &error));
    CHECK_TEXT(summary.prefix, expected[i].prefix);
    CHECK_INT(summary.rows, expected[i].rows);
    CHECK_INT(summary.chunks, expected[i].chunks);
    CHECK_INT(summary.unlisted_chunks, expected[i].unlisted);
    CHECK(!summary.problem && summary.created_at);
  }
  arrowredis_dataset_list_free(list);
  arrowredis_server_info *info = NULL;
  arrowredis_server_fields fields;
  OK(arrowredis_store_ping(store, NULL, &info, &error));
  OK(arrowredis_server_info_fields(info, &fields, sizeof fields, &error));
  CHECK_TEXT(fields.server, "redis");
  CHECK_TEXT(fields.role, "master");
  CHECK(fields.latency_seconds > 0 && fields.tls == 0 && fields.cluster == 0 && fields.denied_commands == 0);
  CHECK(!arrowredis_server_info_denied_command(info, 0, NULL));
  arrowredis_server_info_free(info);
  arrowredis_store_free(store);
  server_stop(&server);
}

/* Offsets are 0 and buffers aligned, in every column of every type. */
static void check_layout(const struct ArrowArray *array) {
  CHECK_INT(array->offset, 0);
  for (int64_t i = 0; i < array->n_buffers; i++) CHECK_INT((uintptr_t)array->buffers[i] % 64, 0);
  for (int64_t i = 0; i < array->n_children; i++) check_layout(array->children[i]);
  if (array->dictionary) check_layout(array->dictionary);
}

static void what_is_exported_is_laid_out_well(void) {
  static const char *const codecs[] = {"zstd", "lz4", "none"};
  for (int i = 0; i < 3; i++) {
    char split[64];
    snprintf(split, sizeof split, "compression=%s", codecs[i]);
    arrowredis_store *store = open_store("memory://layout");
    publish(store, codecs[i], SHAPE, split);
    arrowredis_dataset *dataset = open_dataset(store, codecs[i]);
    arrowredis_reader *reader = start_read(dataset, "");
    struct ArrowArray array;
    while (next_batch(reader, &array, NULL, NULL)) {
      CHECK_INT(array.n_children, 10);
      check_layout(&array);
      array.release(&array);
    }
    arrowredis_reader_free(reader);
    arrowredis_dataset_free(dataset);
    arrowredis_store_free(store);
  }
}

/* A batch that begins within its buffers, as a reader of a caller's sliced stream would see it, is cut on export. */
static void offsets_are_cut_off(void) {
  arrowredis_store *store = open_store("memory://offset");
  struct ArrowSchema schema;
  struct ArrowArray batch, out;
  arrowredis_writer *writer = NULL;
  make_schema(&schema);
  OK(arrowredis_writer_open(store, TEXT("o"), &schema, NULL, NULL, &writer, &error));
  make_batch(&batch, 4, 100, 10);
  batch.offset = 3; /* of the struct: its rows 3 to 9 */
  batch.length = 7;
  OK(arrowredis_writer_write(writer, &batch, &error));
  OK(arrowredis_writer_finish(writer, NULL, 0, NULL, 0, &error));
  arrowredis_writer_free(writer);
  arrowredis_dataset *dataset = open_dataset(store, "o");
  arrowredis_reader *reader = start_read(dataset, "");
  CHECK(next_batch(reader, &out, NULL, NULL));
  check_layout(&out);
  CHECK_INT(out.length, 7);
  CHECK_INT(((const int64_t *)out.children[1]->buffers[1])[0], 103);
  out.release(&out);
  arrowredis_reader_free(reader);
  arrowredis_dataset_free(dataset);
  arrowredis_store_free(store);
}

/* The bytes of the only chunk of partition 0 in a directory store. */
static char *chunk_bytes(const char *folder, size_t *size) {
  char path[1024];
  DIR *entries = opendir(folder);
  CHECK(entries);
  path[0] = 0;
  for (struct dirent *entry; (entry = readdir(entries));) {
    if (strstr(entry->d_name, "part=00000}:batch=00000")) snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
  }
  closedir(entries);
  FILE *file = fopen(path, "r");
  CHECK(file && fseek(file, 0, SEEK_END) == 0);
  *size = (size_t)ftell(file);
  rewind(file);
  char *bytes = malloc(*size);
  CHECK(fread(bytes, 1, *size, file) == *size);
  fclose(file);
  return bytes;
}

/* The columns of an uncompressed chunk lie as far from each other as they do in the payload: they are in the block
 * that was received, where no copy would have put them. */
static void check_places(const char *url, const char *payload, size_t size) {
  enum { ROWS = 20000 };
  static const struct { int column, width; } fixed[] = {{0, 8}, {1, 4}, {2, 4}, {3, 8}, {4, 4}, {6, 8}, {7, 16}};
  arrowredis_store *store = open_store(url);
  publish(store, "z", "partitions=1;batches=1;rows=20000", "compression=none;overwrite=on");
  arrowredis_dataset *dataset = open_dataset(store, "z");
  arrowredis_reader *reader = start_read(dataset, "");
  struct ArrowArray array;
  CHECK(next_batch(reader, &array, NULL, NULL));
  CHECK_INT(array.length, ROWS);
  const char *first = (const char *)array.children[0]->buffers[1];
  const char *in_payload = (const char *)memmem(payload, size, first, ROWS * 8);
  CHECK(in_payload);
  for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
    const char *values = (const char *)array.children[fixed[i].column]->buffers[1];
    ptrdiff_t place = in_payload - payload + (values - first);
    size_t bytes = (size_t)fixed[i].width * ROWS;
    CHECK(place > 0 && (size_t)place + bytes <= size);
    CHECK(memcmp(payload + place, values, bytes) == 0);
  }
  array.release(&array);
  arrowredis_reader_free(reader);
  arrowredis_dataset_free(dataset);
  arrowredis_store_free(store);
}

static void uncompressed_columns_are_not_copied(void) {
  const char *url = file_url(), *folder = url + strlen("file://");
  arrowredis_store *store = open_store(url);
  publish(store, "z", "partitions=1;batches=1;rows=20000", "compression=none");
  arrowredis_store_free(store);
  size_t size = 0;
  char *payload = chunk_bytes(folder, &size);
  struct server server;
  server_start(&server, NULL);
  check_places(url, payload, size);
  check_places("memory://places", payload, size);
  check_places(server.url, payload, size);
  server_stop(&server);
  free(payload);
}

static void a_file(void) {
  const char *path = scratch_path("f.arrow");
  arrowredis_options *shape = make_options(ARROWREDIS_OPTIONS_GENERATE, SHAPE);
  arrowredis_metrics metrics;
  OK(arrowredis_generate_file(TEXT(path), shape, NULL, &metrics, sizeof metrics, &error));
  CHECK_INT(metrics.rows, 3000);
  arrowredis_options_free(shape);
  for (int mapped = 0; mapped < 2; mapped++) {
    arrowredis_options *options = make_options(ARROWREDIS_OPTIONS_FILE_READ, "partitions=1");
    OK(arrowredis_options_set_bool(options, TEXT("mmap"), mapped, &error));
    arrowredis_reader *reader = NULL;
    OK(arrowredis_read_file(TEXT(path), options, NULL, &reader, &error));
    CHECK_INT(count_rows(reader), 1000);
    arrowredis_reader_free(reader);
    arrowredis_options_free(options);
  }
  arrowredis_reader *reader = NULL;
  FAILS(arrowredis_read_file(TEXT("/no/such.arrow"), NULL, NULL, &reader, &error), ARROWREDIS_NOT_FOUND, "/no/such.arrow");
}

static void the_chunk_listing_is_a_stream(void) {
  arrowredis_store *store = open_store("memory://listing");
  publish(store, "l", SHAPE, "");
  arrowredis_dataset *dataset = open_dataset(store, "l");
  struct ArrowArrayStream stream;
  OK(arrowredis_dataset_chunks(dataset, &stream, &error));
  arrowredis_dataset_free(dataset);
  arrowredis_store_free(store);
  struct ArrowSchema schema;
  CHECK_INT(stream.get_schema(&stream, &schema), 0);
  CHECK_TEXT(schema.children[0]->name, "partition");
  CHECK_TEXT(schema.children[1]->name, "batch");
  schema.release(&schema);
  CHECK_INT(count_stream_rows(&stream), 6);
  stream.release(&stream);
}

static struct ArrowArrayStream open_stream(void) {
  arrowredis_store *store = open_store("memory://stream");
  publish(store, "s", SHAPE, "overwrite=on");
  arrowredis_dataset *dataset = open_dataset(store, "s");
  arrowredis_reader *reader = start_read(dataset, "");
  struct ArrowArrayStream stream;
  OK(arrowredis_reader_export(reader, &stream, &error));
  arrowredis_reader_free(reader);
  arrowredis_dataset_free(dataset);
  arrowredis_store_free(store);
  return stream;
}

/* Importers move the struct; a consumer that releases twice, through the moved or the first copy, does no harm. */
static void a_stream_released_twice(void) {
  struct ArrowArrayStream stream = open_stream();
  void (*release)(struct ArrowArrayStream *) = stream.release;
  struct ArrowArrayStream moved = stream;
  stream.release = NULL;
  struct ArrowArray array;
  CHECK_INT(moved.get_next(&moved, &array), 0);
  release(&moved);
  CHECK(!moved.release);
  release(&moved);
  CHECK_INT(moved.get_next(&moved, &array), EINVAL);
  CHECK(!moved.get_last_error(&moved));
  void (*release_array)(struct ArrowArray *) = array.release;
  release_array(&array);
  release_array(&array);
}

static void *drain(void *stream) {
  static int64_t rows;
  rows = count_stream_rows((struct ArrowArrayStream *)stream);
  return &rows;
}

static void a_stream_read_on_another_thread(void) {
  struct ArrowArrayStream stream = open_stream();
  struct ArrowArray array;
  CHECK_INT(stream.get_next(&stream, &array), 0);
  pthread_t thread;
  void *rows;
  CHECK_INT(pthread_create(&thread, NULL, drain, &stream), 0);
  CHECK_INT(pthread_join(thread, &rows), 0);
  CHECK_INT(*(int64_t *)rows, 2500);
  CHECK_INT(((const int64_t *)array.children[0]->buffers[1])[499], 499);
  array.release(&array);
  stream.release(&stream);
}

struct sharing {
  arrowredis_reader *reader;
  int64_t rows;
};

static void *take_some(void *argument) {
  struct sharing *sharing = (struct sharing *)argument;
  sharing->rows = count_rows(sharing->reader);
  return NULL;
}

static void a_reader_shared_by_threads(void) {
  arrowredis_store *store = open_store("memory://shared");
  publish(store, "s", "partitions=8;batches=8;rows=100", "");
  arrowredis_dataset *dataset = open_dataset(store, "s");
  arrowredis_reader *reader = start_read(dataset, "");
  struct sharing sharing[4] = {{reader, 0}, {reader, 0}, {reader, 0}, {reader, 0}};
  pthread_t threads[4];
  int64_t rows = 0;
  for (int i = 0; i < 4; i++) CHECK_INT(pthread_create(&threads[i], NULL, take_some, &sharing[i]), 0);
  for (int i = 0; i < 4; i++) {
    CHECK_INT(pthread_join(threads[i], NULL), 0);
    rows += sharing[i].rows;
  }
  CHECK_INT(rows, 6400);
  arrowredis_reader_free(reader);
  arrowredis_dataset_free(dataset);
  arrowredis_store_free(store);
}

/* All 720 orders of freeing six things that hold each other, with a batch and a stream that are used between. */
static void freed_in_any_order(void) {
  enum { STORE, DATASET, READER, STREAM, ARRAY, OPTIONS, KINDS };
  arrowredis_store *keeper = open_store("memory://order"); /* keeps the data, nothing else */
  publish(keeper, "d", "partitions=1;batches=3;rows=5", "");
  for (int order = 0; order < 720; order++) {
    arrowredis_store *store = open_store("memory://order");
    arrowredis_dataset *dataset = open_dataset(store, "d");
    arrowredis_options *options = make_options(ARROWREDIS_OPTIONS_READ, "");
    arrowredis_reader *reader = NULL;
    struct ArrowArrayStream stream;
    struct ArrowArray array, another;
    OK(arrowredis_read(dataset, options, NULL, &reader, &error));
    OK(arrowredis_reader_export(reader, &stream, &error));
    CHECK(next_batch(reader, &array, NULL, NULL));
    int left[KINDS] = {STORE, DATASET, READER, STREAM, ARRAY, OPTIONS};
    for (int count = KINDS, code = order; count > 0; count--) {
      int pick = code % count, kind = left[pick];
      code /= count;
      left[pick] = left[count - 1];
      if (kind == STREAM) { /* whatever is gone by now, it still reads */
        CHECK_INT(stream.get_next(&stream, &another), 0);
        CHECK_INT(another.length, 5);
        another.release(&another);
      }
      if (kind == ARRAY) CHECK_INT(((const int64_t *)array.children[0]->buffers[1])[4], 4);
      switch (kind) {
        case STORE: arrowredis_store_free(store); break;
        case DATASET: arrowredis_dataset_free(dataset); break;
        case READER: arrowredis_reader_free(reader); break;
        case STREAM: stream.release(&stream); break;
        case ARRAY: array.release(&array); break;
        default: arrowredis_options_free(options); break;
      }
    }
    CHECK_INT(arrowredis_live_handles(), 1);
  }
  arrowredis_store_free(keeper);
}

/* Children of an array may be moved out before it is released. */
static void a_column_moved_out_of_its_batch(void) {
  struct ArrowArrayStream stream = open_stream();
  struct ArrowArray array;
  CHECK_INT(stream.get_next(&stream, &array), 0);
  stream.release(&stream);
  struct ArrowArray column = *array.children[0];
  array.children[0]->release = NULL;
  array.release(&array);
  CHECK_INT(((const int64_t *)column.buffers[1])[499], 499);
  column.release(&column);
}

int main(int argc, char **argv) {
  static const struct test tests[] = {
      {"memory_store", memory_store},
      {"directory_store", directory_store},
      {"redis_store", redis_store},
      {"listing_and_server_info", listing_and_server_info},
      {"what_is_exported_is_laid_out_well", what_is_exported_is_laid_out_well},
      {"offsets_are_cut_off", offsets_are_cut_off},
      {"uncompressed_columns_are_not_copied", uncompressed_columns_are_not_copied},
      {"a_file", a_file},
      {"the_chunk_listing_is_a_stream", the_chunk_listing_is_a_stream},
      {"a_stream_released_twice", a_stream_released_twice},
      {"a_stream_read_on_another_thread", a_stream_read_on_another_thread},
      {"a_reader_shared_by_threads", a_reader_shared_by_threads},
      {"freed_in_any_order", freed_in_any_order},
      {"a_column_moved_out_of_its_batch", a_column_moved_out_of_its_batch},
  };
  return run_tests(argc, argv, tests, sizeof tests / sizeof *tests);
}
