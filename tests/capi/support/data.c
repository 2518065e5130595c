#include "data.h"

#include <stdatomic.h>
#include <time.h>

#include "harness.h"

arrowredis_options *make_options(int kind, const char *pairs) {
  arrowredis_options *options = NULL;
  OK(arrowredis_options_new(kind, &options, &error));
  while (*pairs) {
    size_t key = strcspn(pairs, "="), value = strcspn(pairs + key + 1, ";");
    OK(arrowredis_options_set_string(options, pairs, key, pairs + key + 1, value, &error));
    pairs += key + 1 + value;
    pairs += *pairs == ';';
  }
  return options;
}

arrowredis_store *open_store(const char *url) {
  arrowredis_store *store = NULL;
  OK(arrowredis_store_open(TEXT(url), NULL, &store, &error));
  return store;
}

arrowredis_dataset *open_dataset(const arrowredis_store *store, const char *prefix) {
  arrowredis_dataset *dataset = NULL;
  OK(arrowredis_dataset_open(store, TEXT(prefix), NULL, &dataset, &error));
  return dataset;
}

void publish(const arrowredis_store *store, const char *prefix, const char *shape, const char *split) {
  arrowredis_options *generated = make_options(ARROWREDIS_OPTIONS_GENERATE, shape);
  arrowredis_options *options = make_options(ARROWREDIS_OPTIONS_SPLIT, split);
  arrowredis_reader *reader = NULL;
  struct ArrowArrayStream stream;
  OK(arrowredis_generate(generated, NULL, &reader, &error));
  OK(arrowredis_reader_export(reader, &stream, &error));
  OK(arrowredis_split_stream(store, TEXT(prefix), &stream, options, NULL, NULL, 0, NULL, 0, &error));
  CHECK(!stream.release);
  arrowredis_reader_free(reader);
  arrowredis_options_free(options);
  arrowredis_options_free(generated);
}

arrowredis_reader *start_read(const arrowredis_dataset *dataset, const char *pairs) {
  arrowredis_options *options = make_options(ARROWREDIS_OPTIONS_READ, pairs);
  arrowredis_reader *reader = NULL;
  OK(arrowredis_read(dataset, options, NULL, &reader, &error));
  arrowredis_options_free(options);
  return reader;
}

int next_batch(const arrowredis_reader *reader, struct ArrowArray *out, uint32_t *partition, uint32_t *batch) {
  OK(arrowredis_reader_next(reader, out, partition, batch, &error));
  return out->release != NULL;
}

int64_t count_rows(const arrowredis_reader *reader) {
  struct ArrowArray array;
  int64_t rows = 0;
  while (next_batch(reader, &array, NULL, NULL)) {
    rows += array.length;
    array.release(&array);
  }
  return rows;
}

int64_t count_stream_rows(struct ArrowArrayStream *stream) {
  int64_t rows = 0;
  for (;;) {
    struct ArrowArray array;
    int code = stream->get_next(stream, &array);
    if (code) fail(__FILE__, __LINE__, "get_next: %d: %s", code, stream->get_last_error(stream));
    CHECK(!stream->get_last_error(stream));
    if (!array.release) return rows;
    rows += array.length;
    array.release(&array);
  }
}

enum { COLUMNS = 3 };
static const char *const NAMES[COLUMNS] = {"partition", "id", "name"};
static const char *const FORMATS[COLUMNS] = {"i", "l", "u"};

static atomic_long alive;

long own_structs_alive(void) { return atomic_load(&alive); }

void wait_until_own_structs_are_released(void) {
  struct timespec pause = {0, 1000 * 1000};
  for (int i = 0; own_structs_alive() > 0 && i < 20000; i++) nanosleep(&pause, NULL);
  CHECK_INT(own_structs_alive(), 0);
}

static void release_schema(struct ArrowSchema *schema) {
  for (int64_t i = 0; i < schema->n_children; i++) {
    if (schema->children[i]->release) schema->children[i]->release(schema->children[i]);
    free(schema->children[i]);
  }
  free(schema->children);
  schema->release = NULL;
  atomic_fetch_sub(&alive, 1);
}

static void one_schema(struct ArrowSchema *out, const char *format, const char *name) {
  memset(out, 0, sizeof *out);
  out->format = format;
  out->name = name;
  out->flags = ARROW_FLAG_NULLABLE;
  out->release = release_schema;
  atomic_fetch_add(&alive, 1);
}

void make_schema(struct ArrowSchema *out) {
  one_schema(out, "+s", "");
  out->flags = 0;
  out->n_children = COLUMNS;
  out->children = (struct ArrowSchema **)calloc(COLUMNS, sizeof *out->children);
  for (int i = 0; i < COLUMNS; i++) {
    out->children[i] = (struct ArrowSchema *)malloc(sizeof **out->children);
    one_schema(out->children[i], FORMATS[i], NAMES[i]);
  }
}

static void release_array(struct ArrowArray *array) {
  for (int64_t i = 0; i < array->n_children; i++) {
    if (array->children[i]->release) array->children[i]->release(array->children[i]);
    free(array->children[i]);
  }
  free(array->children);
  for (int64_t i = 0; i < array->n_buffers; i++) free((void *)array->buffers[i]);
  free((void *)array->buffers);
  array->release = NULL;
  atomic_fetch_sub(&alive, 1);
}

static void *one_array(struct ArrowArray *out, int64_t rows, int64_t n_buffers, size_t bytes) {
  memset(out, 0, sizeof *out);
  out->length = rows;
  out->n_buffers = n_buffers;
  out->buffers = (const void **)calloc((size_t)n_buffers, sizeof *out->buffers);
  out->release = release_array;
  atomic_fetch_add(&alive, 1);
  if (n_buffers > 1) out->buffers[1] = calloc(bytes + 1, 1);
  return (void *)(n_buffers > 1 ? out->buffers[1] : NULL);
}

void make_batch(struct ArrowArray *out, int32_t partition, int64_t first, int64_t rows) {
  size_t count = (size_t)rows;
  one_array(out, rows, 1, 0);
  out->n_children = COLUMNS;
  out->children = (struct ArrowArray **)calloc(COLUMNS, sizeof *out->children);
  for (int i = 0; i < COLUMNS; i++) out->children[i] = (struct ArrowArray *)malloc(sizeof **out->children);
  int32_t *partitions = (int32_t *)one_array(out->children[0], rows, 2, count * sizeof(int32_t));
  int64_t *ids = (int64_t *)one_array(out->children[1], rows, 2, count * sizeof(int64_t));
  int32_t *offsets = (int32_t *)one_array(out->children[2], rows, 3, (count + 1) * sizeof(int32_t));
  char *names = (char *)malloc(count * 24 + 1);
  out->children[2]->buffers[2] = names;
  for (int64_t row = 0; row < rows; row++) {
    partitions[row] = partition;
    ids[row] = first + row;
    offsets[row + 1] = offsets[row] + sprintf(names + offsets[row], "row %lld", (long long)(first + row));
  }
}

struct own_stream {
  int batches, next, fail_after, error_code;
  int64_t rows;
  const char *error_text, *last_error;
};

static int own_get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out) {
  (void)stream;
  make_schema(out);
  return 0;
}

static int own_get_next(struct ArrowArrayStream *stream, struct ArrowArray *out) {
  struct own_stream *own = (struct own_stream *)stream->private_data;
  if (own->next == own->fail_after) {
    own->last_error = own->error_text;
    return own->error_code;
  }
  memset(out, 0, sizeof *out);
  if (own->next < own->batches) {
    make_batch(out, own->next, own->next * own->rows, own->rows);
    own->next++;
  }
  return 0;
}

static const char *own_get_last_error(struct ArrowArrayStream *stream) {
  return ((struct own_stream *)stream->private_data)->last_error;
}

static void own_release(struct ArrowArrayStream *stream) {
  free(stream->private_data);
  stream->release = NULL;
  atomic_fetch_sub(&alive, 1);
}

void make_stream(struct ArrowArrayStream *out, int batches, int64_t rows, int fail_after, int error_code,
                 const char *error_text) {
  struct own_stream own = {batches, 0, fail_after, error_code, rows, error_text, NULL};
  struct own_stream *state = (struct own_stream *)malloc(sizeof own);
  *state = own;
  *out = (struct ArrowArrayStream){own_get_schema, own_get_next, own_get_last_error, own_release, state};
  atomic_fetch_add(&alive, 1);
}
