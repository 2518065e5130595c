/* Versions, codes, strings, options, settings, handles of the wrong kind. */
#include <stdint.h>

#include "data.h"
#include "harness.h"

static void versions_and_codes(void) {
  static const struct { int32_t code; const char *name; } codes[] = {
      {ARROWREDIS_OK, "OK"},
      {ARROWREDIS_INVALID_ARGUMENT, "INVALID_ARGUMENT"},
      {ARROWREDIS_NOT_FOUND, "NOT_FOUND"},
      {ARROWREDIS_ALREADY_EXISTS, "ALREADY_EXISTS"},
      {ARROWREDIS_CONFLICT, "CONFLICT"},
      {ARROWREDIS_PERMISSION_DENIED, "PERMISSION_DENIED"},
      {ARROWREDIS_UNAVAILABLE, "UNAVAILABLE"},
      {ARROWREDIS_TIMEOUT, "TIMEOUT"},
      {ARROWREDIS_CANCELLED, "CANCELLED"},
      {ARROWREDIS_CORRUPT, "CORRUPT"},
      {ARROWREDIS_CHUNK_MISSING, "CHUNK_MISSING"},
      {ARROWREDIS_RESOURCE_EXHAUSTED, "RESOURCE_EXHAUSTED"},
      {ARROWREDIS_UNSUPPORTED, "UNSUPPORTED"},
      {ARROWREDIS_IO, "IO"},
      {ARROWREDIS_FORKED, "FORKED"},
      {ARROWREDIS_INTERNAL, "INTERNAL"},
  };
  for (int i = 0; i < 16; i++) {
    CHECK_INT(codes[i].code, i);
    CHECK_TEXT(arrowredis_code_name(i), codes[i].name);
  }
  CHECK(!arrowredis_code_name(16));
  CHECK_INT(arrowredis_abi_version(), ARROWREDIS_ABI_VERSION);
  CHECK_TEXT(arrowredis_version(), PROJECT_VERSION);
}

static void strings_are_checked(void) {
  static const struct { const char *bytes; size_t length; const char *part; } bad[] = {
      {"\xff\xfe", 2, "'url' is not UTF-8: byte 0"},
      {"memory://\xc3", 10, "'url' is not UTF-8: byte 9"},
      {NULL, 3, "'url' is NULL"},
      {"x", SIZE_MAX, "'url' cannot be"},
      {NULL, 0, "unknown kind of store ''"},
      {"memory", 0, "unknown kind of store ''"},
  };
  arrowredis_store *store = (arrowredis_store *)&store;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    FAILS(arrowredis_store_open(bad[i].bytes, bad[i].length, NULL, &store, &error), ARROWREDIS_INVALID_ARGUMENT,
          bad[i].part);
    CHECK(store == (arrowredis_store *)&store); /* outputs are written on success only */
  }
  /* The length counts, not the NUL. */
  OK(arrowredis_store_open("memory://long-and-more", strlen("memory://long"), NULL, &store, &error));
  size_t length = 0;
  const char *description = arrowredis_store_description(store, &length);
  CHECK_TEXT(description, "memory://long");
  CHECK_INT(length, strlen(description));
  arrowredis_store_free(store);
}

/* C strings end at a NUL byte: messages show it instead. */
static void nul_bytes_are_shown(void) {
  arrowredis_store *store = open_store("memory://nul");
  arrowredis_dataset *dataset = NULL;
  arrowredis_error *error = NULL;
  CHECK_INT(arrowredis_dataset_open(store, "a\0b", 3, NULL, &dataset, &error), ARROWREDIS_INVALID_ARGUMENT);
  size_t length = 0;
  const char *message = arrowredis_error_message(error, &length);
  CHECK_CONTAINS(message, "a\\0b");
  CHECK_INT(length, strlen(message));
  arrowredis_error_free(error);
  arrowredis_options *options = make_options(ARROWREDIS_OPTIONS_READ, "");
  FAILS(arrowredis_options_set_string(options, "col\0umns", 8, TEXT("a"), &error), ARROWREDIS_INVALID_ARGUMENT,
        "unknown option 'col\\0umns'");
  arrowredis_options_free(options);
  arrowredis_store_free(store);
}

enum setter { STRING, INT, DOUBLE, BOOL };

static void options_that_do_not_fit(void) {
  static const struct {
    int kind;
    enum setter setter;
    const char *key, *text;
    double number;
    const char *part;
  } cases[] = {
      {ARROWREDIS_OPTIONS_READ, STRING, "colums", "a", 0, "unknown option 'colums'"},
      {ARROWREDIS_OPTIONS_READ, INT, "nope", "", 1, "unknown option 'nope'"},
      {ARROWREDIS_OPTIONS_READ, INT, "columns", "", 1, "option 'columns' is of type list"},
      {ARROWREDIS_OPTIONS_READ, BOOL, "concurrency", "", 1, "option 'concurrency' is of type integer"},
      {ARROWREDIS_OPTIONS_READ, INT, "verify_checksums", "", 1, "option 'verify_checksums' is of type bool"},
      {ARROWREDIS_OPTIONS_READ, DOUBLE, "concurrency", "", 1.5, "option 'concurrency'"},
      {ARROWREDIS_OPTIONS_READ, INT, "concurrency", "", -1, "option 'concurrency' cannot be '-1'"},
      {ARROWREDIS_OPTIONS_READ, STRING, "on_missing", "explode", 0, "one of error|skip"},
      {ARROWREDIS_OPTIONS_READ, STRING, "columns", "a,,b", 0, "option 'columns'"},
      {ARROWREDIS_OPTIONS_STORE, DOUBLE, "timeout", "", -0.5, "option 'timeout'"},
      {ARROWREDIS_OPTIONS_STORE, DOUBLE, "timeout", "", 1e300, "option 'timeout'"},
      {ARROWREDIS_OPTIONS_STORE, STRING, "timeout", "soon", 0, "option 'timeout' cannot be 'soon'"},
      {ARROWREDIS_OPTIONS_GENERATE, INT, "rows", "", 4294967296.0, "option 'rows'"},
      {ARROWREDIS_OPTIONS_RUNTIME, STRING, "max_inflight_bytes", "99999999999GiB", 0, "option 'max_inflight_bytes'"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    arrowredis_options *options = make_options(cases[i].kind, "");
    const char *key = cases[i].key;
    double number = cases[i].number;
    switch (cases[i].setter) {
      case STRING:
        FAILS(arrowredis_options_set_string(options, TEXT(key), TEXT(cases[i].text), &error),
              ARROWREDIS_INVALID_ARGUMENT, cases[i].part);
        break;
      case INT:
        FAILS(arrowredis_options_set_int64(options, TEXT(key), (int64_t)number, &error), ARROWREDIS_INVALID_ARGUMENT,
              cases[i].part);
        break;
      case DOUBLE:
        FAILS(arrowredis_options_set_double(options, TEXT(key), number, &error), ARROWREDIS_INVALID_ARGUMENT,
              cases[i].part);
        break;
      case BOOL:
        FAILS(arrowredis_options_set_bool(options, TEXT(key), (int)number, &error), ARROWREDIS_INVALID_ARGUMENT,
              cases[i].part);
        break;
    }
    arrowredis_options_free(options);
  }
}

static void options_of_the_wrong_kind(void) {
  arrowredis_store *store = open_store("memory://kinds"), *other = NULL;
  arrowredis_options *options = make_options(ARROWREDIS_OPTIONS_SPLIT, "");
  FAILS(arrowredis_store_open(TEXT("memory://"), options, &other, &error), ARROWREDIS_INVALID_ARGUMENT,
        "'options' holds options of kind 'split', not 'store'");
  arrowredis_options *none = NULL;
  FAILS(arrowredis_options_new(0, &none, &error), ARROWREDIS_INVALID_ARGUMENT, "there is no kind of options 0");
  FAILS(arrowredis_options_new(99, &none, &error), ARROWREDIS_INVALID_ARGUMENT, "expected one of 1 (store)");
  arrowredis_options_free(options);
  arrowredis_store_free(store);
}

/* Every option of every kind: its default can be set, and each is described. */
static void options_are_listed(void) {
  size_t all = 0;
  for (int kind = 1; arrowredis_options_kind_name(kind); kind++) {
    arrowredis_options *options = make_options(kind, "");
    size_t count = 0;
    OK(arrowredis_options_count(kind, &count, &error));
    CHECK(count > 0);
    for (size_t i = 0; i < count; i++, all++) {
      arrowredis_option_info info;
      OK(arrowredis_options_describe(kind, i, &info, sizeof info, &error));
      CHECK(strlen(info.key) > 0 && strlen(info.value_type) > 0 && strlen(info.doc) > 0);
      if (*info.default_value) {
        OK(arrowredis_options_set_string(options, TEXT(info.key), TEXT(info.default_value), &error));
      }
    }
    arrowredis_option_info info;
    FAILS(arrowredis_options_describe(kind, count, &info, sizeof info, &error), ARROWREDIS_INVALID_ARGUMENT,
          "there is no option");
    arrowredis_options_free(options);
  }
  CHECK(all > 30);
  CHECK(!arrowredis_options_kind_name(ARROWREDIS_OPTIONS_S3 + 1));
}

/* Any live handle of this library in the place of another is an error. */
static void handles_of_the_wrong_kind(void) {
  arrowredis_store *store = open_store("memory://wrong");
  arrowredis_dataset *dataset = NULL;
  arrowredis_context *context = NULL;
  OK(arrowredis_context_new(&context, &error));
  FAILS(arrowredis_dataset_open((arrowredis_store *)context, TEXT("d"), NULL, &dataset, &error),
        ARROWREDIS_INVALID_ARGUMENT, "'store' is not a live store of this library");
  FAILS(arrowredis_dataset_open(store, TEXT("d"), (arrowredis_context *)store, &dataset, &error),
        ARROWREDIS_INVALID_ARGUMENT, "'context' is not a live context");
  FAILS(arrowredis_context_set_timeout((arrowredis_context *)((char *)context + 1), 1, &error),
        ARROWREDIS_INVALID_ARGUMENT, "not a live context");
  arrowredis_dataset_free((arrowredis_dataset *)store); /* frees nothing */
  CHECK_TEXT(arrowredis_store_description(store, NULL), "memory://wrong");
  arrowredis_context_free(context);
  arrowredis_store_free(store);
}

static void a_closed_store(void) {
  arrowredis_store *store = open_store("memory://closed");
  publish(store, "d", "partitions=1;batches=1;rows=7", "");
  arrowredis_dataset *dataset = open_dataset(store, "d"), *again = NULL;
  arrowredis_server_info *info = NULL;
  OK(arrowredis_store_close(store, &error));
  FAILS(arrowredis_store_close(store, &error), ARROWREDIS_INVALID_ARGUMENT, "'store' was closed");
  FAILS(arrowredis_dataset_open(store, TEXT("d"), NULL, &again, &error), ARROWREDIS_INVALID_ARGUMENT, "was closed");
  FAILS(arrowredis_store_ping(store, NULL, &info, &error), ARROWREDIS_INVALID_ARGUMENT, "was closed");
  arrowredis_reader *reader = start_read(dataset, "");
  CHECK_INT(count_rows(reader), 7);
  arrowredis_reader_free(reader);
  arrowredis_dataset_free(dataset);
  arrowredis_store_free(store);
}

/* Structs may grow: the library writes as much as the caller knows. */
static void sizes_of_structs(void) {
  arrowredis_context *context = NULL;
  OK(arrowredis_context_new(&context, &error));
  static const size_t bad[] = {0, 1, 7, 12, sizeof(arrowredis_metrics) - 1, 1 << 20, SIZE_MAX - 7};
  arrowredis_metrics metrics;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    FAILS(arrowredis_context_metrics(context, &metrics, bad[i], &error), ARROWREDIS_INVALID_ARGUMENT, "pass sizeof");
  }
  uint64_t larger[sizeof metrics / 8 + 4];
  memset(larger, 0xff, sizeof larger);
  OK(arrowredis_context_metrics(context, (arrowredis_metrics *)larger, sizeof larger - 16, &error));
  CHECK(larger[sizeof metrics / 8] == 0 && larger[sizeof metrics / 8 + 1] == 0);
  CHECK(larger[sizeof metrics / 8 + 2] == UINT64_MAX);
  memset(larger, 0xff, sizeof larger);
  OK(arrowredis_context_metrics(context, (arrowredis_metrics *)larger, 16, &error));
  CHECK(larger[0] == 0 && larger[1] == 0 && larger[2] == UINT64_MAX);
  arrowredis_context_free(context);
}

static void settings_come_before_the_first_use(void) {
  arrowredis_options *settings = make_options(ARROWREDIS_OPTIONS_RUNTIME, "io_threads=1;cpu_threads=1");
  OK(arrowredis_configure(settings, &error));
  arrowredis_store *store = open_store("memory://settings");
  OK(arrowredis_configure(settings, &error)); /* opening a store starts nothing */
  publish(store, "d", "partitions=1;batches=1;rows=7", "");
  FAILS(arrowredis_configure(settings, &error), ARROWREDIS_CONFLICT, "before the first use");
  arrowredis_store_free(store);
  arrowredis_options_free(settings);
}

int main(int argc, char **argv) {
  static const struct test tests[] = {
      {"versions_and_codes", versions_and_codes},
      {"strings_are_checked", strings_are_checked},
      {"nul_bytes_are_shown", nul_bytes_are_shown},
      {"options_that_do_not_fit", options_that_do_not_fit},
      {"options_of_the_wrong_kind", options_of_the_wrong_kind},
      {"options_are_listed", options_are_listed},
      {"handles_of_the_wrong_kind", handles_of_the_wrong_kind},
      {"a_closed_store", a_closed_store},
      {"sizes_of_structs", sizes_of_structs},
      {"settings_come_before_the_first_use", settings_come_before_the_first_use},
  };
  return run_tests(argc, argv, tests, sizeof tests / sizeof *tests);
}
