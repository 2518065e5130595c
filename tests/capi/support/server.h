/* A real Redis server for a test: on a free port, in the test's folder, gone when the test's process is. */
#ifndef SERVER_H
#define SERVER_H

#include <stddef.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct server {
  pid_t pid;
  int port;
  char url[64];
};

/* Starts one with additional settings, as in {"requirepass", "secret", NULL}, and waits until it answers. */
void server_start(struct server *server, const char *const *settings);

/* Stops answering; connections stay open. */
void server_freeze(const struct server *server);
void server_thaw(const struct server *server);

/* Listens like a server and never says a word. It has no process: `close` ends it. */
int silent_start(struct server *server);

/* Kills it. */
void server_stop(struct server *server);

/* Sends a command of so many words with their lengths; the first line of the reply, and of a value its bytes as
 * far as they fit. */
void server_command(const struct server *server, char *reply, size_t size, int count, const char *const *words,
                    const size_t *lengths);

#ifdef __cplusplus
}
#endif
#endif
