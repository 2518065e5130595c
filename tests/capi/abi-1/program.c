/* A program of the first version of the C ABI: it is compiled against the header beside it, which never changes, and
 * must run with every library of that ABI. Results may have grown: what lies behind a struct is not touched. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arrowredis.h"

#define TEXT(text) (text), strlen(text)
#define OK(call)                                                                                           \
  do {                                                                                                     \
    arrowredis_error *error = NULL;                                                                        \
    int code = (call);                                                                                     \
    if (code != ARROWREDIS_OK) {                                                                           \
      fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, arrowredis_error_message(error, NULL)); \
      exit(1);                                                                                             \
    }                                                                                                      \
  } while (0)
#define CHECK(condition)                                                            \
  do {                                                                              \
    if (!(condition)) {                                                             \
      fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);     \
      exit(1);                                                                      \
    }                                                                               \
  } while (0)

/* A struct with a guard behind it. */
#define GUARDED(type) \
  struct {            \
    type fields;      \
    uint64_t guard;   \
  }
static const uint64_t GUARD = 0x5aa5c33c96690ff0;

static void split_generated(const arrowredis_store *store, const char *prefix) {
  arrowredis_options *options = NULL;
  arrowredis_reader *reader = NULL;
  struct ArrowArrayStream stream;
  GUARDED(arrowredis_split_report) report = {.guard = GUARD};
  GUARDED(arrowredis_metrics) metrics = {.guard = GUARD};
  OK(arrowredis_options_new(ARROWREDIS_OPTIONS_GENERATE, &options, &error));
  OK(arrowredis_options_set_int64(options, TEXT("rows"), 1000, &error));
  OK(arrowredis_options_set_int64(options, TEXT("partitions"), 3, &error));
  OK(arrowredis_options_set_string(options, TEXT("batches"), TEXT("2"), &error));
  OK(arrowredis_options_set_bool(options, TEXT("dict_strings"), 1, &error));
  OK(arrowredis_generate(options, NULL, &reader, &error));
  OK(arrowredis_reader_export(reader, &stream, &error));
  OK(arrowredis_split_stream(store, TEXT(prefix), &stream, NULL, NULL, &report.fields, sizeof report.fields,
                             &metrics.fields, sizeof metrics.fields, &error));
  CHECK(strlen(report.fields.upload_id) == 32 && report.fields.partitions == 3 && report.fields.chunks == 6);
  CHECK(metrics.fields.rows == 6000 && report.guard == GUARD && metrics.guard == GUARD);
  arrowredis_reader_free(reader);
  arrowredis_options_free(options);
}

static void look(const arrowredis_store *store, const arrowredis_dataset *dataset) {
  GUARDED(arrowredis_dataset_fields) fields = {.guard = GUARD};
  GUARDED(arrowredis_partition) partition = {.guard = GUARD};
  GUARDED(arrowredis_dataset_summary) summary = {.guard = GUARD};
  GUARDED(arrowredis_option_info) info = {.guard = GUARD};
  GUARDED(arrowredis_server_fields) server = {.guard = GUARD};
  arrowredis_dataset_list *list = NULL;
  arrowredis_server_info *server_info = NULL;
  OK(arrowredis_dataset_info(dataset, &fields.fields, sizeof fields.fields, &error));
  CHECK(fields.fields.rows == 6000 && strcmp(fields.fields.prefix, "old") == 0 && fields.guard == GUARD);
  OK(arrowredis_dataset_partition(dataset, 2, &partition.fields, sizeof partition.fields, &error));
  CHECK(partition.fields.partition == 2 && partition.fields.rows == 2000 && partition.guard == GUARD);
  OK(arrowredis_dataset_list_open(store, NULL, 0, NULL, &list, &error));
  OK(arrowredis_dataset_list_get(list, 0, &summary.fields, sizeof summary.fields, &error));
  CHECK(summary.fields.rows == 6000 && summary.guard == GUARD);
  OK(arrowredis_options_describe(ARROWREDIS_OPTIONS_READ, 0, &info.fields, sizeof info.fields, &error));
  CHECK(strlen(info.fields.key) > 0 && info.guard == GUARD);
  OK(arrowredis_store_ping(store, NULL, &server_info, &error));
  OK(arrowredis_server_info_fields(server_info, &server.fields, sizeof server.fields, &error));
  CHECK(strlen(server.fields.server) > 0 && server.guard == GUARD);
  arrowredis_server_info_free(server_info);
  arrowredis_dataset_list_free(list);
}

static void read_and_compare(const arrowredis_dataset *dataset) {
  arrowredis_options *options = NULL;
  arrowredis_reader *reader = NULL;
  struct ArrowArray array;
  uint32_t partition, batch;
  int64_t rows = 0;
  OK(arrowredis_options_new(ARROWREDIS_OPTIONS_READ, &options, &error));
  OK(arrowredis_options_set_string(options, TEXT("columns"), TEXT("id64"), &error));
  OK(arrowredis_read(dataset, options, NULL, &reader, &error));
  for (;;) {
    OK(arrowredis_reader_next(reader, &array, &partition, &batch, &error));
    if (!array.release) break;
    CHECK(((const int64_t *)array.children[0]->buffers[1])[0] == (partition * 2 + batch) * 1000);
    rows += array.length;
    array.release(&array);
  }
  CHECK(rows == 6000);
  arrowredis_reader_free(reader);
  arrowredis_verify_side *left = NULL, *right = NULL;
  arrowredis_verify_report *report = NULL;
  OK(arrowredis_verify_dataset(dataset, options, &left, &error));
  OK(arrowredis_verify_dataset(dataset, options, &right, &error));
  OK(arrowredis_verify(left, right, NULL, NULL, &report, &error));
  GUARDED(arrowredis_verify_side_fields) side = {.guard = GUARD};
  OK(arrowredis_verify_report_side(report, 0, &side.fields, sizeof side.fields, &error));
  CHECK(arrowredis_verify_report_identical(report) && side.fields.rows == 6000 && side.guard == GUARD);
  arrowredis_verify_report_free(report);
  arrowredis_verify_side_free(left);
  arrowredis_verify_side_free(right);
  arrowredis_options_free(options);
}

int main(void) {
  arrowredis_store *store = NULL;
  arrowredis_dataset *dataset = NULL;
  arrowredis_error *error = NULL;
  CHECK(arrowredis_abi_version() == ARROWREDIS_ABI_VERSION);
  OK(arrowredis_store_open(TEXT("memory://old"), NULL, &store, &error));
  split_generated(store, "old");
  OK(arrowredis_dataset_open(store, TEXT("old"), NULL, &dataset, &error));
  look(store, dataset);
  read_and_compare(dataset);
  arrowredis_dataset_free(dataset);
  CHECK(arrowredis_dataset_open(store, TEXT("none"), NULL, &dataset, &error) == ARROWREDIS_NOT_FOUND);
  CHECK(arrowredis_error_code(error) == ARROWREDIS_NOT_FOUND);
  arrowredis_error_free(error);
  arrowredis_store_free(store);
  CHECK(arrowredis_live_handles() == 0);
  return 0;
}
