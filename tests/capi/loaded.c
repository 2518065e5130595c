/* loaded LIBRARY: a program that loads the library on a thread which ends. Threads that come after it, one of which
 * gets its place, use the library as well. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

#include "arrowredis.h"

static const char *path;
static int32_t (*options_new)(int32_t kind, arrowredis_options **out, arrowredis_error **err);
static void (*options_free)(arrowredis_options *options);
static int64_t (*live_handles)(void);

static void *use(void *unused) {
  arrowredis_options *options[100];
  for (int i = 0; i < 100; i++) {
    if (options_new(ARROWREDIS_OPTIONS_READ, &options[i], NULL)) return "a call failed";
  }
  for (int i = 0; i < 100; i++) options_free(options[i]);
  return unused;
}

static void *load(void *unused) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) return dlerror();
  *(void **)&options_new = dlsym(library, "arrowredis_options_new");
  *(void **)&options_free = dlsym(library, "arrowredis_options_free");
  *(void **)&live_handles = dlsym(library, "arrowredis_live_handles");
  if (!options_new || !options_free || !live_handles) return "a function is not there";
  return use(unused);
}

static void on_a_thread(void *(*work)(void *)) {
  pthread_t thread;
  void *failure = NULL;
  if (pthread_create(&thread, NULL, work, NULL) || pthread_join(thread, &failure)) failure = "no thread";
  if (failure) {
    fprintf(stderr, "loaded: %s\n", (const char *)failure);
    _Exit(1);
  }
}

static void *hold(void *mutex) {
  use(NULL);
  pthread_mutex_lock(mutex);
  pthread_mutex_unlock(mutex);
  return NULL;
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  path = argv[1];
  on_a_thread(load);
  for (int i = 0; i < 20; i++) on_a_thread(use);
  /* Several at once, some of which end while others begin. */
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_t threads[40];
  pthread_mutex_lock(&mutex);
  for (int i = 0; i < 40; i++) {
    if (pthread_create(&threads[i], NULL, hold, &mutex)) return 1;
    on_a_thread(use);
  }
  pthread_mutex_unlock(&mutex);
  for (int i = 0; i < 40; i++) pthread_join(threads[i], NULL);
  return live_handles() == 0 ? 0 : 1;
}
