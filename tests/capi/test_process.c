/* What the library does to its process: threads, signals, forks, loading and unloading. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "data.h"
#include "harness.h"
#include "server.h"

static int count_threads(void) {
  int count = 0;
  DIR *tasks = opendir("/proc/self/task");
  CHECK(tasks);
  for (struct dirent *entry; (entry = readdir(tasks));) count += entry->d_name[0] != '.';
  closedir(tasks);
  return count;
}

static void use_the_library(const char *url) {
  arrowredis_store *store = open_store(url);
  publish(store, "d", "partitions=2;batches=2;rows=100", "overwrite=on");
  arrowredis_dataset *dataset = open_dataset(store, "d");
  arrowredis_reader *reader = start_read(dataset, "");
  CHECK_INT(count_rows(reader), 400);
  arrowredis_reader_free(reader);
  arrowredis_dataset_free(dataset);
  arrowredis_store_free(store);
}

static void threads_start_with_the_first_operation(void) {
  arrowredis_store *store = open_store("memory://threads");
  arrowredis_options *options = make_options(ARROWREDIS_OPTIONS_READ, "");
  arrowredis_context *context = NULL;
  OK(arrowredis_context_new(&context, &error));
  CHECK_INT(count_threads(), 1);
  use_the_library("memory://threads");
  CHECK(count_threads() > 1);
  arrowredis_context_free(context);
  arrowredis_options_free(options);
  arrowredis_store_free(store);
}

/* The library's threads take none of the host's signals: all are blocked there but those of faults. */
static void signals_are_the_host_s(void) {
  use_the_library("memory://signals");
  DIR *tasks = opendir("/proc/self/task");
  CHECK(tasks);
  int ours = 0;
  for (struct dirent *entry; (entry = readdir(tasks));) {
    char path[300], line[256];
    if (entry->d_name[0] == '.' || atoi(entry->d_name) == getpid()) continue;
    snprintf(path, sizeof path, "/proc/self/task/%s/status", entry->d_name);
    FILE *status = fopen(path, "r");
    CHECK(status);
    unsigned long long blocked = 0;
    int is_ours = 0;
    while (fgets(line, sizeof line, status)) {
      is_ours |= strncmp(line, "Name:\tarrowredis", 16) == 0;
      sscanf(line, "SigBlk: %llx", &blocked);
    }
    fclose(status);
    if (!is_ours) continue; /* of a tool that watches this test */
    ours++;
    static const int taken[] = {SIGPIPE, SIGINT, SIGTERM, SIGUSR1, SIGALRM, SIGCHLD, SIGPROF, SIGHUP};
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) CHECK(blocked >> (taken[i] - 1) & 1);
    CHECK(!(blocked >> (SIGSEGV - 1) & 1));
  }
  closedir(tasks);
  CHECK(ours >= 2);
}

/* With the default disposition a write to a closed socket would kill the process. */
static void a_broken_pipe_kills_nobody(void) {
  struct sigaction action;
  CHECK_INT(sigaction(SIGPIPE, NULL, &action), 0);
  CHECK(action.sa_handler == SIG_DFL);
  struct server server;
  server_start(&server, NULL);
  arrowredis_options *options = make_options(ARROWREDIS_OPTIONS_STORE, "max_retries=0;connections=1");
  arrowredis_store *store = NULL;
  OK(arrowredis_store_open(TEXT(server.url), options, &store, &error));
  publish(store, "d", "partitions=1;batches=1;rows=10", "");
  server_stop(&server);
  for (int i = 0; i < 5; i++) {
    struct ArrowArrayStream stream;
    make_stream(&stream, 4, 100, -1, 0, NULL);
    FAILS(arrowredis_split_stream(store, TEXT("e"), &stream, NULL, NULL, NULL, 0, NULL, 0, &error),
          ARROWREDIS_UNAVAILABLE, "127.0.0.1");
  }
  CHECK_INT(sigaction(SIGPIPE, NULL, &action), 0);
  CHECK(action.sa_handler == SIG_DFL);
  wait_until_own_structs_are_released();
  arrowredis_store_free(store);
  arrowredis_options_free(options);
}

static void wait_for(pid_t child) {
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) fail(__FILE__, __LINE__, "the child ended with %d", status);
}

/* Handles, options and an open store made before the fork work in the child, as in the parent. */
static void a_child_forked_before_the_first_use(void) {
  struct server server;
  server_start(&server, NULL);
  arrowredis_store *store = open_store(server.url);
  fflush(NULL);
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    publish(store, "child", "partitions=1;batches=1;rows=10", "");
    use_the_library(server.url);
    arrowredis_store_free(store);
    CHECK_INT(arrowredis_live_handles(), 0);
    exit(0);
  }
  wait_for(child);
  use_the_library(server.url);
  arrowredis_dataset *dataset = open_dataset(store, "child");
  arrowredis_dataset_free(dataset);
  arrowredis_store_free(store);
  server_stop(&server);
}

/* Every handle that the parent has, in the child: calls fail, frees return. */
static void a_child_forked_after_the_first_use(void) {
  arrowredis_store *store = open_store("memory://forked");
  publish(store, "d", "partitions=2;batches=2;rows=100", "");
  arrowredis_dataset *dataset = open_dataset(store, "d");
  arrowredis_reader *reader = start_read(dataset, "");
  arrowredis_options *options = make_options(ARROWREDIS_OPTIONS_READ, "");
  arrowredis_context *context = NULL;
  arrowredis_cancel_token *token = NULL;
  arrowredis_writer *writer = NULL;
  struct ArrowSchema schema;
  struct ArrowArrayStream stream, own;
  struct ArrowArray array;
  OK(arrowredis_context_new(&context, &error));
  OK(arrowredis_cancel_token_new(&token, &error));
  make_schema(&schema);
  OK(arrowredis_writer_open(store, TEXT("w"), &schema, NULL, NULL, &writer, &error));
  OK(arrowredis_reader_export(reader, &stream, &error));
  CHECK_INT(stream.get_next(&stream, &array), 0);
  fflush(NULL);
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    arrowredis_reader *other = NULL;
    arrowredis_dataset *again = NULL;
    arrowredis_options *more = NULL;
    struct ArrowArray next;
    const char *part = "forked after the library had started";
    FAILS(arrowredis_options_new(ARROWREDIS_OPTIONS_READ, &more, &error), ARROWREDIS_FORKED, part);
    FAILS(arrowredis_dataset_open(store, TEXT("d"), NULL, &again, &error), ARROWREDIS_FORKED, part);
    FAILS(arrowredis_read(dataset, options, context, &other, &error), ARROWREDIS_FORKED, part);
    FAILS(arrowredis_reader_next(reader, &next, NULL, NULL, &error), ARROWREDIS_FORKED, part);
    FAILS(arrowredis_store_close(store, &error), ARROWREDIS_FORKED, part);
    make_stream(&own, 1, 1, -1, 0, NULL);
    FAILS(arrowredis_split_stream(store, TEXT("e"), &own, NULL, NULL, NULL, 0, NULL, 0, &error), ARROWREDIS_FORKED, part);
    CHECK(!own.release);
    CHECK_INT(own_structs_alive(), 0);
    CHECK(stream.get_next(&stream, &next) != 0);
    CHECK_CONTAINS(stream.get_last_error(&stream), part);
    CHECK_INT(((const int64_t *)array.children[0]->buffers[1])[0], 0); /* its memory is still there */
    arrowredis_cancel_token_cancel(token);
    arrowredis_reader_cancel(reader);
    arrowredis_writer_cancel(writer);
    array.release(&array);
    stream.release(&stream);
    CHECK(!array.release && !stream.release);
    arrowredis_writer_free(writer);
    arrowredis_reader_free(reader);
    arrowredis_dataset_free(dataset);
    arrowredis_store_free(store);
    arrowredis_options_free(options);
    arrowredis_context_free(context);
    arrowredis_cancel_token_free(token);
    /* It leaked, as it must: a tool that watches the tests need not look at that. */
    execlp("true", "true", (char *)NULL);
    _exit(1);
  }
  wait_for(child);
  /* The parent does not notice. */
  CHECK_INT(count_stream_rows(&stream), 300);
  array.release(&array);
  stream.release(&stream);
  CHECK_INT(arrowredis_cancel_token_is_cancelled(token), 0);
  OK(arrowredis_writer_finish(writer, NULL, 0, NULL, 0, &error));
  arrowredis_writer_free(writer);
  arrowredis_reader_free(reader);
  arrowredis_dataset_free(dataset);
  arrowredis_store_free(store);
  arrowredis_options_free(options);
  arrowredis_context_free(context);
  arrowredis_cancel_token_free(token);
}

/* A process that forgot it has the library, as one that closed a plugin, still has its threads: it stays. */
static void the_library_is_never_unloaded(void) {
  use_the_library("memory://unload");
  Dl_info before, after;
  void *function = dlsym(RTLD_DEFAULT, "arrowredis_live_handles");
  CHECK(function && dladdr(function, &before));
  void *library = dlopen(before.dli_fname, RTLD_NOW);
  CHECK(library);
  for (int i = 0; i < 3; i++) dlclose(library);
  CHECK(dladdr(function, &after) && after.dli_fbase == before.dli_fbase);
  use_the_library("memory://unload");
}

int main(int argc, char **argv) {
  static const struct test tests[] = {
      {"threads_start_with_the_first_operation", threads_start_with_the_first_operation},
      {"signals_are_the_host_s", signals_are_the_host_s},
      {"a_broken_pipe_kills_nobody", a_broken_pipe_kills_nobody},
      {"a_child_forked_before_the_first_use", a_child_forked_before_the_first_use},
      {"a_child_forked_after_the_first_use", a_child_forked_after_the_first_use},
      {"the_library_is_never_unloaded", the_library_is_never_unloaded},
  };
  return run_tests(argc, argv, tests, sizeof tests / sizeof *tests);
}
