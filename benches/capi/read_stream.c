/* Reads a dataset through the exported C stream: what `../read_stream.rs` does through the Rust API. */
#define _POSIX_C_SOURCE 200809L
#include <arrowredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TEXT(text) (text), strlen(text)

static void check(int code, const char *what) {
  if (code == 0) return;
  fprintf(stderr, "%s: %d\n", what, code);
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: read_stream STORE_URL PREFIX\n");
    return 2;
  }
  arrowredis_store *store = NULL;
  arrowredis_dataset *dataset = NULL;
  arrowredis_reader *reader = NULL;
  struct ArrowArrayStream stream;
  struct ArrowArray array;
  unsigned long long batches = 0, rows = 0;
  check(arrowredis_store_open(TEXT(argv[1]), NULL, &store, NULL), "open");
  check(arrowredis_dataset_open(store, TEXT(argv[2]), NULL, &dataset, NULL), "dataset");
  double start = now();
  check(arrowredis_read(dataset, NULL, NULL, &reader, NULL), "read");
  check(arrowredis_reader_export(reader, &stream, NULL), "export");
  for (;;) {
    check(stream.get_next(&stream, &array), "get_next");
    if (!array.release) break;
    batches++;
    rows += (unsigned long long)array.length;
    array.release(&array);
  }
  printf("%llu %llu %.6f\n", batches, rows, now() - start);
  stream.release(&stream);
  arrowredis_reader_free(reader);
  arrowredis_dataset_free(dataset);
  arrowredis_store_free(store);
  return 0;
}
