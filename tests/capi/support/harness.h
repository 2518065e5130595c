/* A table of tests, and checks that say what they saw. A failed check ends the process. */
#ifndef HARNESS_H
#define HARNESS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arrowredis.h"

#ifdef __cplusplus
extern "C" {
#endif

struct test {
  const char *name;
  void (*run)(void);
};

/* `PROGRAM --list` names the tests, `PROGRAM NAME` runs one, `PROGRAM` runs each in a process of its own. Each test
 * must leave no live handle and no struct of its own behind. */
int run_tests(int argc, char **argv, const struct test *tests, size_t count);

/* Says where and what, and ends the process. */
#ifdef __cplusplus
[[noreturn]]
#else
_Noreturn
#endif
void fail(const char *file, int line, const char *format, ...);

/* Checks the outcome of a fallible call and frees the error. */
void expect_ok(const char *file, int line, const char *call, int code, arrowredis_error *error);
void expect_failure(const char *file, int line, const char *call, int code, arrowredis_error *error, int expected,
                    const char *part);

/* A folder of this test's own, which goes when the process ends. */
const char *scratch_folder(void);

/* The path of a file in it; valid until the process ends. */
const char *scratch_path(const char *name);

#ifdef __cplusplus
}
#endif

/* A string argument: pointer and length. */
#define TEXT(text) (text), strlen(text)

#define CHECK(condition)                                                      \
  do {                                                                        \
    if (!(condition)) fail(__FILE__, __LINE__, "not true: %s", #condition);   \
  } while (0)

#define CHECK_INT(actual, expected)                                                                         \
  do {                                                                                                      \
    long long actual_ = (long long)(actual), expected_ = (long long)(expected);                             \
    if (actual_ != expected_) fail(__FILE__, __LINE__, "%s is %lld, not %lld", #actual, actual_, expected_); \
  } while (0)

#define CHECK_TEXT(actual, expected)                                                                     \
  do {                                                                                                   \
    const char *actual_ = (actual), *expected_ = (expected);                                             \
    if (!actual_ || strcmp(actual_, expected_) != 0)                                                     \
      fail(__FILE__, __LINE__, "%s is \"%s\", not \"%s\"", #actual, actual_ ? actual_ : "NULL", expected_); \
  } while (0)

#define CHECK_CONTAINS(actual, part)                                                                        \
  do {                                                                                                      \
    const char *actual_ = (actual), *part_ = (part);                                                        \
    if (!actual_ || !strstr(actual_, part_))                                                                \
      fail(__FILE__, __LINE__, "%s is \"%s\", without \"%s\"", #actual, actual_ ? actual_ : "NULL", part_); \
  } while (0)

/* A call whose last argument is `&error`, which must succeed. */
#define OK(call)                                             \
  do {                                                       \
    arrowredis_error *error = NULL;                          \
    int code_ = (call);                                      \
    expect_ok(__FILE__, __LINE__, #call, code_, error);      \
  } while (0)

/* A call whose last argument is `&error`, which must fail with a code and a message that contains a text. */
#define FAILS(call, expected, part)                                                      \
  do {                                                                                   \
    arrowredis_error *error = NULL;                                                      \
    int code_ = (call);                                                                  \
    expect_failure(__FILE__, __LINE__, #call, code_, error, (expected), (part));         \
  } while (0)

#endif
