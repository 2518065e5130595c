#include "harness.h"

#include <ftw.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include "data.h"

static char folder[256];
static pid_t folder_owner;

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk) {
  (void)status, (void)kind, (void)walk;
  return remove(path);
}

static void remove_folder(void) {
  if (folder_owner == getpid()) nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *scratch_folder(void) {
  if (folder_owner != getpid()) {
    snprintf(folder, sizeof folder, "%s/arrowredis-c-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    CHECK(mkdtemp(folder));
    folder_owner = getpid();
    atexit(remove_folder);
  }
  return folder;
}

const char *scratch_path(const char *name) {
  static char paths[16][512];
  static int next;
  char *path = paths[next++ % 16];
  snprintf(path, sizeof paths[0], "%s/%s", scratch_folder(), name);
  return path;
}

void fail(const char *file, int line, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fprintf(stderr, "%s:%d: ", file, line);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(1);
}

void expect_ok(const char *file, int line, const char *call, int code, arrowredis_error *error) {
  if (code != ARROWREDIS_OK) {
    const char *message = arrowredis_error_message(error, NULL);
    fail(file, line, "%s: %s: %s", call, arrowredis_code_name(code), message ? message : "no error object");
  }
  if (error) fail(file, line, "%s: an error object without a failure", call);
}

void expect_failure(const char *file, int line, const char *call, int code, arrowredis_error *error, int expected,
                    const char *part) {
  const char *message = arrowredis_error_message(error, NULL);
  if (code != expected) {
    fail(file, line, "%s: code %d, not %d: %s", call, code, expected, message ? message : "no error object");
  }
  if (!message || !strstr(message, part)) fail(file, line, "%s: '%s' without '%s'", call, message, part);
  if (arrowredis_error_code(error) != code) fail(file, line, "%s: another code in the error object", call);
  arrowredis_error_free(error);
}

static void run(const struct test *test) {
  test->run();
  CHECK_INT(arrowredis_live_handles(), 0);
  CHECK_INT(own_structs_alive(), 0);
}

/* In a process of its own: what a test does to its process is no other test's concern. */
static int run_apart(const struct test *test) {
  fflush(NULL);
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    run(test);
    exit(0);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  if (status != 0) fprintf(stderr, "%s failed: status %d, signal %d\n", test->name, WEXITSTATUS(status), WTERMSIG(status));
  return status != 0;
}

int run_tests(int argc, char **argv, const struct test *tests, size_t count) {
  int failed = 0, known = argc < 2;
  for (size_t i = 0; i < count; i++) {
    if (argc < 2) {
      failed += run_apart(&tests[i]);
    } else if (strcmp(argv[1], "--list") == 0) {
      known = 1;
      puts(tests[i].name);
    } else if (strcmp(argv[1], tests[i].name) == 0) {
      known = 1;
      run(&tests[i]);
    }
  }
  if (!known) fprintf(stderr, "there is no test %s\n", argv[1]);
  return failed > 0 || !known;
}
