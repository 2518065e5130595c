/* Failures: what an error says, cancelling, timeouts, servers that go away. */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "data.h"
#include "harness.h"
#include "server.h"

static const char SHAPE[] = "partitions=4;batches=4;rows=2000";

/* A published dataset in a store of its own, and a way to cancel what reads it. */
static struct {
  arrowredis_store *store;
  arrowredis_dataset *dataset;
  arrowredis_cancel_token *token;
  arrowredis_context *context;
} on;

static void set_up(const char *url) {
  on.store = open_store(url);
  publish(on.store, "d", SHAPE, "");
  on.dataset = open_dataset(on.store, "d");
  OK(arrowredis_cancel_token_new(&on.token, &error));
  OK(arrowredis_context_new(&on.context, &error));
  OK(arrowredis_context_set_cancel_token(on.context, on.token, &error));
}

static void tear_down(void) {
  arrowredis_context_free(on.context);
  arrowredis_cancel_token_free(on.token);
  arrowredis_dataset_free(on.dataset);
  arrowredis_store_free(on.store);
}

/* The file of a chunk of the dataset in a directory store. */
static const char *chunk_file(const char *folder, const char *name) {
  static char path[1024];
  DIR *entries = opendir(folder);
  CHECK(entries);
  path[0] = 0;
  for (struct dirent *entry; (entry = readdir(entries));) {
    if (strstr(entry->d_name, name)) snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
  }
  closedir(entries);
  CHECK(path[0]);
  return path;
}

static void flip_a_byte(const char *path) {
  FILE *file = fopen(path, "r+");
  CHECK(file && fseek(file, 1000, SEEK_SET) == 0);
  int byte = fgetc(file);
  CHECK(fseek(file, 1000, SEEK_SET) == 0 && fputc(byte ^ 0x40, file) != EOF);
  fclose(file);
}

/* Reads until the error, which must come again and again. */
static arrowredis_error *read_to_the_error(int32_t expected) {
  arrowredis_reader *reader = start_read(on.dataset, "");
  arrowredis_error *first = NULL, *again = NULL, *kept = NULL;
  struct ArrowArray array;
  int32_t code;
  while ((code = arrowredis_reader_next(reader, &array, NULL, NULL, &first)) == 0) array.release(&array);
  CHECK_INT(code, expected);
  CHECK_INT(arrowredis_reader_next(reader, &array, NULL, NULL, &again), expected);
  OK(arrowredis_reader_error(reader, &kept, &error));
  CHECK_TEXT(arrowredis_error_message(again, NULL), arrowredis_error_message(first, NULL));
  CHECK_TEXT(arrowredis_error_message(kept, NULL), arrowredis_error_message(first, NULL));
  arrowredis_error_free(again);
  arrowredis_error_free(kept);
  arrowredis_reader_free(reader);
  return first;
}

static void errors_tell_partition_and_batch(void) {
  static const struct { int32_t code; const char *chunk; int partition, batch; } cases[] = {
      {ARROWREDIS_CHUNK_MISSING, "part=00002}:batch=00003", 2, 3}, {ARROWREDIS_CORRUPT, "part=00001}:batch=00001", 1, 1}};
  char url[512];
  for (int i = 0; i < 2; i++) {
    const char *folder = scratch_path(cases[i].chunk);
    snprintf(url, sizeof url, "file://%s", folder);
    set_up(url);
    const char *path = chunk_file(folder, cases[i].chunk);
    if (cases[i].code == ARROWREDIS_CHUNK_MISSING) {
      CHECK_INT(unlink(path), 0);
    } else {
      flip_a_byte(path);
    }
    arrowredis_error *error = read_to_the_error(cases[i].code);
    CHECK_INT(arrowredis_error_code(error), cases[i].code);
    CHECK_INT(arrowredis_error_partition(error), cases[i].partition);
    CHECK_INT(arrowredis_error_batch(error), cases[i].batch);
    CHECK_INT(arrowredis_error_retryable(error), 0);
    CHECK(!arrowredis_error_server_code(error, NULL));
    arrowredis_error_free(error);
    tear_down();
  }
}

static void broken_chunks_are_found_without_reading(void) {
  char url[512];
  const char *folder = scratch_path("broken");
  snprintf(url, sizeof url, "file://%s", folder);
  set_up(url);
  uint64_t broken = 7;
  OK(arrowredis_dataset_check(on.dataset, NULL, &broken, NULL, &error));
  CHECK_INT(broken, 0);
  CHECK_INT(unlink(chunk_file(folder, "part=00003}:batch=00001")), 0);
  CHECK_INT(truncate(chunk_file(folder, "part=00000}:batch=00002"), 100), 0);
  struct ArrowArrayStream stream;
  OK(arrowredis_dataset_check(on.dataset, NULL, &broken, &stream, &error));
  CHECK_INT(broken, 2);
  struct ArrowArray array;
  CHECK_INT(stream.get_next(&stream, &array), 0);
  CHECK_INT(array.length, 2);
  CHECK_INT(((const uint32_t *)array.children[0]->buffers[1])[1], 3);
  CHECK_INT(((const uint64_t *)array.children[4]->buffers[1])[0], 100);
  CHECK_INT(array.children[4]->null_count, 1);
  array.release(&array);
  stream.release(&stream);
  tear_down();
}

static void errors_carry_the_server_s_own_word(void) {
  struct server server;
  static const char *const settings[] = {"requirepass", "secret", NULL};
  server_start(&server, settings);
  char url[128];
  snprintf(url, sizeof url, "redis://:wrong@127.0.0.1:%d", server.port);
  arrowredis_store *store = open_store(url);
  arrowredis_server_info *info = NULL;
  arrowredis_error *error = NULL;
  CHECK_INT(arrowredis_store_ping(store, NULL, &info, &error), ARROWREDIS_PERMISSION_DENIED);
  size_t length = 0;
  CHECK_TEXT(arrowredis_error_server_code(error, &length), "WRONGPASS");
  CHECK_INT(length, 9);
  CHECK(!strstr(arrowredis_error_message(error, NULL), "wrong@"));
  CHECK_INT(arrowredis_error_partition(error), -1);
  CHECK_INT(arrowredis_error_batch(error), -1);
  arrowredis_error_free(error);
  arrowredis_store_free(store);
  server_stop(&server);
}

/* A password that was changed on the server takes effect on the open store, and is in no text. */
static void other_credentials_for_an_open_store(void) {
  struct server server;
  static const char *const settings[] = {"requirepass", "canary-new", NULL};
  server_start(&server, settings);
  char url[128];
  snprintf(url, sizeof url, "redis://:canary-old@127.0.0.1:%d", server.port);
  arrowredis_store *store = open_store(url);
  arrowredis_server_info *info = NULL;
  FAILS(arrowredis_store_ping(store, NULL, &info, &error), ARROWREDIS_PERMISSION_DENIED, "WRONGPASS");
  OK(arrowredis_store_set_credentials(store, NULL, 0, TEXT("canary-new"), &error));
  OK(arrowredis_store_ping(store, NULL, &info, &error));
  arrowredis_server_info_free(info);
  OK(arrowredis_store_set_credentials(store, TEXT("nobody"), TEXT("canary-new"), &error));
  FAILS(arrowredis_store_ping(store, NULL, &info, &error), ARROWREDIS_PERMISSION_DENIED, "WRONGPASS");
  OK(arrowredis_store_close(store, &error));
  FAILS(arrowredis_store_set_credentials(store, NULL, 0, TEXT("x"), &error), ARROWREDIS_INVALID_ARGUMENT, "was closed");
  arrowredis_store_free(store);
  server_stop(&server);
  arrowredis_text *text = NULL;
  OK(arrowredis_metrics_text(&text, &error));
  size_t length = 0;
  const char *metrics = arrowredis_text_get(text, &length);
  CHECK_INT(length, strlen(metrics));
  CHECK_CONTAINS(metrics, "# TYPE arrowredis_connections_total counter");
  CHECK(!strstr(metrics, "\narrowredis_connections_total 0\n"));
  CHECK(!strstr(metrics, "canary"));
  arrowredis_text_free(text);
}

static void nodes_of_a_dataset(void) {
  set_up("memory://nodes");
  struct ArrowArrayStream stream;
  OK(arrowredis_dataset_nodes(on.dataset, NULL, &stream, &error));
  struct ArrowArray array;
  CHECK_INT(stream.get_next(&stream, &array), 0);
  CHECK_INT(array.length, 1);
  CHECK_INT(((const uint64_t *)array.children[1]->buffers[1])[0], 16);
  CHECK(((const uint64_t *)array.children[2]->buffers[1])[0] > 16 * 2000);
  array.release(&array);
  stream.release(&stream);
  tear_down();
}

/* Other programs' keys may hold any bytes. */
static void keys_that_are_not_utf8(void) {
  struct server server;
  char reply[256];
  server_start(&server, NULL);
  set_up(server.url);
  static const char *const keys[] = {"d\xff\xfe:{part=00000}:batch=00000", "d:{part=00000}:batch=\xff", "\xc3:manifest",
                                     "d\0x:manifest", "d:{part=00000}:batch=00000\0"};
  static const size_t sizes[] = {27, 22, 10, 12, 27};
  for (int i = 0; i < 5; i++) {
    const char *words[] = {"SET", keys[i], "x"};
    size_t lengths[] = {3, sizes[i], 1};
    server_command(&server, reply, sizeof reply, 3, words, lengths);
    CHECK_TEXT(reply, "+OK");
  }
  arrowredis_dataset_list *list = NULL;
  OK(arrowredis_dataset_list_open(on.store, NULL, 0, NULL, &list, &error));
  int ours = 0;
  for (size_t i = 0; i < arrowredis_dataset_list_count(list); i++) {
    arrowredis_dataset_summary summary;
    OK(arrowredis_dataset_list_get(list, i, &summary, sizeof summary, &error));
    CHECK(summary.prefix);
    ours += strcmp(summary.prefix, "d") == 0 && summary.rows == 32000;
  }
  CHECK_INT(ours, 1);
  arrowredis_dataset_list_free(list);
  arrowredis_dataset *dataset = NULL;
  OK(arrowredis_dataset_open_without_manifest(on.store, TEXT("d"), &dataset, &error));
  arrowredis_reader *reader = start_read(dataset, "");
  CHECK_INT(count_rows(reader), 32000);
  arrowredis_reader_free(reader);
  arrowredis_dataset_free(dataset);
  tear_down();
  server_stop(&server);
}

static void cancelled_before(void) {
  set_up("memory://before");
  arrowredis_cancel_token_cancel(on.token);
  CHECK_INT(arrowredis_cancel_token_is_cancelled(on.token), 1);
  arrowredis_dataset_list *list = NULL;
  arrowredis_server_info *info = NULL;
  arrowredis_dataset *dataset = NULL;
  FAILS(arrowredis_dataset_open(on.store, TEXT("d"), on.context, &dataset, &error), ARROWREDIS_CANCELLED, "cancelled");
  FAILS(arrowredis_dataset_list_open(on.store, NULL, 0, on.context, &list, &error), ARROWREDIS_CANCELLED, "cancelled");
  FAILS(arrowredis_store_ping(on.store, on.context, &info, &error), ARROWREDIS_CANCELLED, "cancelled");
  FAILS(arrowredis_dataset_delete(on.store, TEXT("d"), on.context, NULL, &error), ARROWREDIS_CANCELLED, "cancelled");
  /* A read may find out at once or with its first batch. */
  arrowredis_reader *reader = NULL;
  arrowredis_error *error = NULL;
  struct ArrowArray array;
  int32_t code = arrowredis_read(on.dataset, NULL, on.context, &reader, &error);
  if (code == 0) code = arrowredis_reader_next(reader, &array, NULL, NULL, &error);
  CHECK_INT(code, ARROWREDIS_CANCELLED);
  arrowredis_error_free(error);
  arrowredis_reader_free(reader);
  tear_down();
}

/* A fired token ends what has it, and nothing else; so does cancelling a reader. */
static void cancelled_during_and_after(void) {
  set_up("memory://during");
  arrowredis_reader *first = NULL, *second = NULL;
  struct ArrowArray array;
  OK(arrowredis_read(on.dataset, NULL, on.context, &first, &error));
  OK(arrowredis_read(on.dataset, NULL, on.context, &second, &error));
  CHECK(next_batch(first, &array, NULL, NULL));
  array.release(&array);
  arrowredis_reader_cancel(first);
  arrowredis_reader_cancel(first);
  FAILS(arrowredis_reader_next(first, &array, NULL, NULL, &error), ARROWREDIS_CANCELLED, "cancelled");
  FAILS(arrowredis_reader_next(first, &array, NULL, NULL, &error), ARROWREDIS_CANCELLED, "cancelled");
  CHECK_INT(arrowredis_cancel_token_is_cancelled(on.token), 0);
  CHECK_INT(count_rows(second), 32000);
  arrowredis_cancel_token_cancel(on.token); /* after the end */
  CHECK_INT(count_rows(second), 0);
  arrowredis_reader_free(first);
  arrowredis_reader_free(second);
  tear_down();
}

static void a_cancelled_stream(void) {
  set_up("memory://stream");
  arrowredis_reader *reader = NULL;
  struct ArrowArrayStream stream;
  struct ArrowArray array;
  struct ArrowSchema schema;
  OK(arrowredis_read(on.dataset, NULL, on.context, &reader, &error));
  OK(arrowredis_reader_export(reader, &stream, &error));
  CHECK_INT(stream.get_next(&stream, &array), 0);
  CHECK(!stream.get_last_error(&stream));
  array.release(&array);
  arrowredis_cancel_token_cancel(on.token);
  for (int i = 0; i < 2; i++) {
    CHECK_INT(stream.get_next(&stream, &array), ECANCELED);
    CHECK_CONTAINS(stream.get_last_error(&stream), "cancelled");
  }
  CHECK_INT(stream.get_schema(&stream, &schema), 0);
  CHECK(!stream.get_last_error(&stream)); /* the last call succeeded */
  schema.release(&schema);
  stream.release(&stream);
  arrowredis_reader_free(reader);
  tear_down();
}

static atomic_int waiting;

static void *cancel_soon(void *token) {
  struct timespec pause = {0, 50 * 1000 * 1000};
  while (!atomic_load(&waiting)) nanosleep(&pause, NULL);
  nanosleep(&pause, NULL);
  arrowredis_cancel_token_cancel((arrowredis_cancel_token *)token);
  return NULL;
}

/* The server does not answer: only the other thread can end the call. */
static void cancelled_from_another_thread(void) {
  struct server server;
  server_start(&server, NULL);
  set_up(server.url);
  server_freeze(&server);
  pthread_t thread;
  CHECK_INT(pthread_create(&thread, NULL, cancel_soon, on.token), 0);
  arrowredis_reader *reader = NULL;
  arrowredis_error *error = NULL;
  struct ArrowArray array;
  OK(arrowredis_read(on.dataset, NULL, on.context, &reader, &error));
  atomic_store(&waiting, 1);
  CHECK_INT(arrowredis_reader_next(reader, &array, NULL, NULL, &error), ARROWREDIS_CANCELLED);
  arrowredis_error_free(error);
  CHECK_INT(pthread_join(thread, NULL), 0);
  server_thaw(&server);
  arrowredis_reader_free(reader);
  tear_down();
  server_stop(&server);
}

static void timed_out(void) {
  struct server server;
  server_start(&server, NULL);
  set_up(server.url);
  OK(arrowredis_context_set_timeout(on.context, 200, &error));
  server_freeze(&server);
  arrowredis_reader *reader = NULL;
  struct ArrowArrayStream stream;
  struct ArrowArray array;
  OK(arrowredis_read(on.dataset, NULL, on.context, &reader, &error));
  OK(arrowredis_reader_export(reader, &stream, &error));
  CHECK_INT(stream.get_next(&stream, &array), ETIMEDOUT);
  CHECK_CONTAINS(stream.get_last_error(&stream), "timeout of 0.2 s");
  arrowredis_error *kept = NULL;
  OK(arrowredis_reader_error(reader, &kept, &error));
  CHECK_INT(arrowredis_error_code(kept), ARROWREDIS_TIMEOUT);
  CHECK_INT(arrowredis_error_retryable(kept), 1);
  arrowredis_error_free(kept);
  stream.release(&stream);
  arrowredis_reader_free(reader);
  server_thaw(&server);
  tear_down();
  server_stop(&server);
}

enum { CALL_TIMEOUT_MS = 200, LATE_MS = 100, ATTEMPTS = 5 };

static double now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* What may be called on a store whose server does not answer. */
enum call { DATASET, LIST, DELETE, PING, SPLIT, READ, CALLS };

static int32_t waiting_call(enum call call, const arrowredis_store *store, arrowredis_error **out) {
  arrowredis_dataset *dataset = NULL;
  arrowredis_dataset_list *list = NULL;
  arrowredis_server_info *info = NULL;
  arrowredis_reader *reader = NULL;
  struct ArrowArrayStream stream;
  struct ArrowArray array;
  int32_t code;
  switch (call) {
    case DATASET: return arrowredis_dataset_open(store, TEXT("d"), on.context, &dataset, out);
    case LIST: return arrowredis_dataset_list_open(store, TEXT(""), on.context, &list, out);
    case DELETE: return arrowredis_dataset_delete(store, TEXT("d"), on.context, NULL, out);
    case PING: return arrowredis_store_ping(store, on.context, &info, out);
    case SPLIT:
      make_stream(&stream, 2, 10, -1, 0, NULL);
      code = arrowredis_split_stream(store, TEXT("e"), &stream, NULL, on.context, NULL, 0, NULL, 0, out);
      wait_until_own_structs_are_released();
      return code;
    default:
      OK(arrowredis_read(on.dataset, NULL, on.context, &reader, &error));
      code = arrowredis_reader_next(reader, &array, NULL, NULL, out);
      arrowredis_reader_free(reader);
      return code;
  }
}

/* The best of a few counts: the machine itself may be busy. */
static void check_in_time(enum call call, const char *url) {
  double best = 1e9;
  for (int i = 0; i < ATTEMPTS && best > CALL_TIMEOUT_MS + LATE_MS; i++) {
    arrowredis_store *store = open_store(url);
    arrowredis_error *error = NULL;
    double start = now_ms();
    CHECK_INT(waiting_call(call, store, &error), ARROWREDIS_TIMEOUT);
    double took = now_ms() - start;
    CHECK(took >= CALL_TIMEOUT_MS - 1);
    if (took < best) best = took;
    arrowredis_error_free(error);
    arrowredis_store_free(store);
  }
  if (best > CALL_TIMEOUT_MS + LATE_MS) fail(__FILE__, __LINE__, "call %d took %.0f ms", (int)call, best);
}

/* Neither one that never says a word nor one that is stopped holds a call beyond its timeout. */
static void calls_end_with_their_timeout(void) {
  struct server silent, server;
  int listener = silent_start(&silent);
  server_start(&server, NULL);
  set_up(server.url);
  OK(arrowredis_context_set_timeout(on.context, CALL_TIMEOUT_MS, &error));
  for (enum call call = DATASET; call < READ; call++) check_in_time(call, silent.url);
  server_freeze(&server);
  for (enum call call = DATASET; call < CALLS; call++) check_in_time(call, server.url);
  server_thaw(&server);
  tear_down();
  server_stop(&server);
  close(listener);
}

static void *read_a_batch(void *reader) {
  struct ArrowArray array;
  static arrowredis_error *error;
  atomic_store(&waiting, 1);
  while (arrowredis_reader_next((arrowredis_reader *)reader, &array, NULL, NULL, &error) == 0) array.release(&array);
  return error;
}

/* It waits for a reply when the server dies. SIGPIPE has its default disposition: nobody may notice. */
static void the_server_is_killed_during_get_next(void) {
  struct server server;
  server_start(&server, NULL);
  set_up(server.url);
  arrowredis_options *options = make_options(ARROWREDIS_OPTIONS_STORE, "max_retries=1;retry_base_delay=10ms");
  arrowredis_store *store = NULL;
  OK(arrowredis_store_open(TEXT(server.url), options, &store, &error));
  arrowredis_dataset *dataset = open_dataset(store, "d");
  server_freeze(&server);
  arrowredis_reader *reader = start_read(dataset, "");
  pthread_t thread;
  void *result;
  CHECK_INT(pthread_create(&thread, NULL, read_a_batch, reader), 0);
  struct timespec pause = {0, 50 * 1000 * 1000};
  while (!atomic_load(&waiting)) nanosleep(&pause, NULL);
  nanosleep(&pause, NULL);
  server_stop(&server);
  CHECK_INT(pthread_join(thread, &result), 0);
  arrowredis_error *error = (arrowredis_error *)result;
  CHECK_INT(arrowredis_error_code(error), ARROWREDIS_UNAVAILABLE);
  CHECK_INT(arrowredis_error_retryable(error), 1);
  CHECK_CONTAINS(arrowredis_error_message(error, NULL), "127.0.0.1");
  arrowredis_error_free(error);
  arrowredis_reader_free(reader);
  /* Writing to what is left of the connections raises no signal in this process. */
  arrowredis_server_info *info = NULL;
  for (int i = 0; i < 3; i++) {
    FAILS(arrowredis_store_ping(store, NULL, &info, &error), ARROWREDIS_UNAVAILABLE, "127.0.0.1");
  }
  arrowredis_dataset_free(dataset);
  arrowredis_store_free(store);
  arrowredis_options_free(options);
  tear_down();
}

/* A context's figures are those of the operation that it was last used for. */
static void progress_of_a_context(void) {
  set_up("memory://progress");
  arrowredis_metrics metrics;
  OK(arrowredis_context_metrics(on.context, &metrics, sizeof metrics, &error));
  CHECK(metrics.rows == 0 && metrics.total_seconds == 0);
  arrowredis_reader *reader = NULL;
  struct ArrowArray array;
  OK(arrowredis_context_set_max_inflight_bytes(on.context, 1, &error)); /* one chunk at a time */
  OK(arrowredis_read(on.dataset, NULL, on.context, &reader, &error));
  for (int i = 1; i <= 3; i++) {
    CHECK(next_batch(reader, &array, NULL, NULL));
    array.release(&array);
    OK(arrowredis_context_metrics(on.context, &metrics, sizeof metrics, &error));
    CHECK_INT(metrics.rows, 2000 * i);
    CHECK_INT(metrics.chunks_expected, 16);
    CHECK(metrics.chunks >= (uint64_t)i && metrics.total_seconds > 0 && metrics.payload_bytes_expected > 0);
  }
  arrowredis_reader_free(reader);
  tear_down();
}

int main(int argc, char **argv) {
  static const struct test tests[] = {
      {"errors_tell_partition_and_batch", errors_tell_partition_and_batch},
      {"broken_chunks_are_found_without_reading", broken_chunks_are_found_without_reading},
      {"errors_carry_the_server_s_own_word", errors_carry_the_server_s_own_word},
      {"other_credentials_for_an_open_store", other_credentials_for_an_open_store},
      {"nodes_of_a_dataset", nodes_of_a_dataset},
      {"keys_that_are_not_utf8", keys_that_are_not_utf8},
      {"cancelled_before", cancelled_before},
      {"cancelled_during_and_after", cancelled_during_and_after},
      {"a_cancelled_stream", a_cancelled_stream},
      {"cancelled_from_another_thread", cancelled_from_another_thread},
      {"timed_out", timed_out},
      {"calls_end_with_their_timeout", calls_end_with_their_timeout},
      {"the_server_is_killed_during_get_next", the_server_is_killed_during_get_next},
      {"progress_of_a_context", progress_of_a_context},
  };
  return run_tests(argc, argv, tests, sizeof tests / sizeof *tests);
}
