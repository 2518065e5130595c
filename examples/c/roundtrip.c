/* roundtrip [URL] [FILE]: generates a dataset into an Arrow file, publishes it, reads a part of it, and verifies
 * that what was published equals the file. The URL is that of a store: memory://demo, file:///tmp/store,
 * redis://127.0.0.1:6379. */
#include <arrowredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT(text) (text), strlen(text)

/* Ends the program with the message of the error. */
static void check(int32_t code, arrowredis_error *error) {
  if (code == ARROWREDIS_OK) return;
  fprintf(stderr, "%s: %s\n", arrowredis_code_name(code), arrowredis_error_message(error, NULL));
  arrowredis_error_free(error);
  exit(1);
}

static void generate(const char *path) {
  arrowredis_error *error = NULL;
  arrowredis_options *options = NULL;
  arrowredis_metrics metrics;
  check(arrowredis_options_new(ARROWREDIS_OPTIONS_GENERATE, &options, &error), error);
  check(arrowredis_options_set_int64(options, TEXT("partitions"), 4, &error), error);
  check(arrowredis_options_set_int64(options, TEXT("rows"), 10000, &error), error);
  check(arrowredis_generate_file(TEXT(path), options, NULL, &metrics, sizeof metrics, &error), error);
  printf("generated %llu rows into %s\n", (unsigned long long)metrics.rows, path);
  arrowredis_options_free(options);
}

static void split(const arrowredis_store *store, const char *prefix, const char *path) {
  arrowredis_error *error = NULL;
  arrowredis_options *options = NULL;
  arrowredis_split_report report;
  check(arrowredis_options_new(ARROWREDIS_OPTIONS_SPLIT, &options, &error), error);
  check(arrowredis_options_set_bool(options, TEXT("overwrite"), 1, &error), error);
  check(arrowredis_split_file(store, TEXT(prefix), TEXT(path), options, NULL, &report, sizeof report, NULL, 0, &error),
        error);
  printf("published %llu chunks of %llu partitions\n", (unsigned long long)report.chunks,
         (unsigned long long)report.partitions);
  arrowredis_options_free(options);
}

static void read_a_part(const arrowredis_dataset *dataset) {
  arrowredis_error *error = NULL;
  arrowredis_options *options = NULL;
  arrowredis_reader *reader = NULL;
  struct ArrowArray batch;
  uint32_t partition, number;
  long long rows = 0;
  check(arrowredis_options_new(ARROWREDIS_OPTIONS_READ, &options, &error), error);
  check(arrowredis_options_set_string(options, TEXT("partitions"), TEXT("1,3"), &error), error);
  check(arrowredis_options_set_string(options, TEXT("columns"), TEXT("id64,float64_c"), &error), error);
  check(arrowredis_read(dataset, options, NULL, &reader, &error), error);
  for (;;) {
    check(arrowredis_reader_next(reader, &batch, &partition, &number, &error), error);
    if (!batch.release) break;
    rows += batch.length;
    batch.release(&batch);
  }
  printf("read %lld rows of partitions 1 and 3, two columns\n", rows);
  arrowredis_reader_free(reader);
  arrowredis_options_free(options);
}

static void verify(const arrowredis_dataset *dataset, const char *path) {
  arrowredis_error *error = NULL;
  arrowredis_verify_side *published = NULL, *file = NULL;
  arrowredis_verify_report *report = NULL;
  check(arrowredis_verify_dataset(dataset, NULL, &published, &error), error);
  check(arrowredis_verify_file(TEXT(path), NULL, &file, &error), error);
  check(arrowredis_verify(published, file, NULL, NULL, &report, &error), error);
  if (!arrowredis_verify_report_identical(report)) {
    fprintf(stderr, "they differ: %s\n", arrowredis_verify_report_difference(report, 0, NULL));
    exit(1);
  }
  printf("the dataset equals the file\n");
  arrowredis_verify_report_free(report);
  arrowredis_verify_side_free(published);
  arrowredis_verify_side_free(file);
}

int main(int argc, char **argv) {
  const char *url = argc > 1 ? argv[1] : "memory://demo", *path = argc > 2 ? argv[2] : "roundtrip.arrow";
  const char *prefix = "example:roundtrip";
  arrowredis_error *error = NULL;
  arrowredis_store *store = NULL;
  arrowredis_dataset *dataset = NULL;
  check(arrowredis_store_open(TEXT(url), NULL, &store, &error), error);
  generate(path);
  split(store, prefix, path);
  check(arrowredis_dataset_open(store, TEXT(prefix), NULL, &dataset, &error), error);
  read_a_part(dataset);
  verify(dataset, path);
  arrowredis_dataset_free(dataset);
  check(arrowredis_dataset_delete(store, TEXT(prefix), NULL, NULL, &error), error);
  arrowredis_store_free(store);
  return arrowredis_live_handles() == 0 ? 0 : 1;
}
