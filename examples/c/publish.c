/* publish [URL]: publishes what this program has in memory, and reads two of its columns back.
 *
 * Data goes in through the Arrow C data interface: a schema and record batches as plain structs, each with a callback
 * that frees it. Nothing but the C library is needed. */
#include <arrowredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT(text) (text), strlen(text)
enum { COLUMNS = 3, ROWS = 1000, STATIONS = 4 };

static void check(int32_t code, arrowredis_error *error) {
  if (code == ARROWREDIS_OK) return;
  fprintf(stderr, "%s: %s\n", arrowredis_code_name(code), arrowredis_error_message(error, NULL));
  arrowredis_error_free(error);
  exit(1);
}

/* The schema lies in static memory: nothing is to be freed. */
static void nothing_to_free(struct ArrowSchema *schema) { schema->release = NULL; }

static struct ArrowSchema make_schema(void) {
  static struct ArrowSchema columns[COLUMNS] = {
      {"i", "station", NULL, 0, 0, NULL, NULL, nothing_to_free, NULL},
      {"l", "time", NULL, 0, 0, NULL, NULL, nothing_to_free, NULL},
      {"g", "temperature", NULL, 0, 0, NULL, NULL, nothing_to_free, NULL},
  };
  static struct ArrowSchema *pointers[COLUMNS] = {&columns[0], &columns[1], &columns[2]};
  struct ArrowSchema schema = {"+s", "", NULL, 0, COLUMNS, pointers, NULL, nothing_to_free, NULL};
  return schema;
}

/* The measurements of one station, in one piece of memory with all that describes them. */
struct measurements {
  int32_t station[ROWS];
  int64_t time[ROWS];
  double temperature[ROWS];
  const void *buffers[COLUMNS][2];
  const void *no_buffer[1];
  struct ArrowArray columns[COLUMNS];
  struct ArrowArray *pointers[COLUMNS];
};

static void release_column(struct ArrowArray *column) { column->release = NULL; }

static void release_batch(struct ArrowArray *batch) {
  free(batch->private_data);
  batch->release = NULL;
}

static struct ArrowArray measure(int32_t station) {
  struct measurements *data = calloc(1, sizeof *data);
  if (!data) exit(1);
  for (int row = 0; row < ROWS; row++) {
    data->station[row] = station;
    data->time[row] = 1700000000 + 60 * row;
    data->temperature[row] = 10.0 + station + row % 10 * 0.1;
  }
  const void *values[COLUMNS] = {data->station, data->time, data->temperature};
  for (int i = 0; i < COLUMNS; i++) {
    data->buffers[i][1] = values[i]; /* the first would be the bitmap of nulls */
    struct ArrowArray column = {ROWS, 0, 0, 2, 0, data->buffers[i], NULL, NULL, release_column, NULL};
    data->columns[i] = column;
    data->pointers[i] = &data->columns[i];
  }
  struct ArrowArray batch = {ROWS, 0, 0, 1, COLUMNS, data->no_buffer, data->pointers, NULL, release_batch, data};
  return batch;
}

static void publish(const arrowredis_store *store, const char *prefix) {
  arrowredis_error *error = NULL;
  arrowredis_options *options = NULL;
  arrowredis_writer *writer = NULL;
  arrowredis_split_report report;
  struct ArrowSchema schema = make_schema();
  check(arrowredis_options_new(ARROWREDIS_OPTIONS_SPLIT, &options, &error), error);
  check(arrowredis_options_set_string(options, TEXT("partition_column"), TEXT("station"), &error), error);
  check(arrowredis_options_set_bool(options, TEXT("overwrite"), 1, &error), error);
  check(arrowredis_writer_open(store, TEXT(prefix), &schema, options, NULL, &writer, &error), error);
  for (int32_t station = 0; station < STATIONS; station++) {
    struct ArrowArray batch = measure(station);
    check(arrowredis_writer_write(writer, &batch, &error), error);
  }
  check(arrowredis_writer_finish(writer, &report, sizeof report, NULL, 0, &error), error);
  printf("published %llu partitions as upload %s\n", (unsigned long long)report.partitions, report.upload_id);
  arrowredis_writer_free(writer);
  arrowredis_options_free(options);
}

static void read_back(const arrowredis_store *store, const char *prefix) {
  arrowredis_error *error = NULL;
  arrowredis_dataset *dataset = NULL;
  arrowredis_options *options = NULL;
  arrowredis_reader *reader = NULL;
  struct ArrowArray batch;
  uint32_t station, number;
  check(arrowredis_dataset_open(store, TEXT(prefix), NULL, &dataset, &error), error);
  check(arrowredis_options_new(ARROWREDIS_OPTIONS_READ, &options, &error), error);
  check(arrowredis_options_set_string(options, TEXT("columns"), TEXT("time,temperature"), &error), error);
  check(arrowredis_read(dataset, options, NULL, &reader, &error), error);
  for (;;) {
    check(arrowredis_reader_next(reader, &batch, &station, &number, &error), error);
    if (!batch.release) break;
    const int64_t *time = (const int64_t *)batch.children[0]->buffers[1];
    const double *temperature = (const double *)batch.children[1]->buffers[1];
    double sum = 0;
    for (int64_t row = 0; row < batch.length; row++) sum += temperature[row];
    printf("station %u: %.2f degrees on average from %lld on\n", station, sum / (double)batch.length, (long long)time[0]);
    batch.release(&batch);
  }
  arrowredis_reader_free(reader);
  arrowredis_options_free(options);
  arrowredis_dataset_free(dataset);
}

int main(int argc, char **argv) {
  const char *url = argc > 1 ? argv[1] : "memory://demo", *prefix = "example:publish";
  arrowredis_error *error = NULL;
  arrowredis_store *store = NULL;
  check(arrowredis_store_open(TEXT(url), NULL, &store, &error), error);
  publish(store, prefix);
  read_back(store, prefix);
  check(arrowredis_dataset_delete(store, TEXT(prefix), NULL, NULL, &error), error);
  arrowredis_store_free(store);
  return arrowredis_live_handles() == 0 ? 0 : 1;
}
