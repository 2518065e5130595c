#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

static int free_port(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(listener >= 0 && bind(listener, (struct sockaddr *)&address, size) == 0);
  CHECK(getsockname(listener, (struct sockaddr *)&address, &size) == 0);
  close(listener);
  return ntohs(address.sin_port);
}

static int connect_to(int port) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK(connection >= 0);
  if (connect(connection, (struct sockaddr *)&address, sizeof address) == 0) return connection;
  close(connection);
  return -1;
}

static void sleep_ms(long milliseconds) {
  struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
  nanosleep(&time, NULL);
}

static void run_server(int port, const char *folder, const char *const *settings) {
  char port_text[16];
  char *arguments[32] = {"redis-server", "--port", port_text, "--bind", "127.0.0.1", "--dir", (char *)folder, "--save", "",
                         "--appendonly", "no"};
  int count = 11;
  snprintf(port_text, sizeof port_text, "%d", port);
  for (; settings && settings[0]; settings += 2) {
    char *name = malloc(strlen(settings[0]) + 3);
    sprintf(name, "--%s", settings[0]);
    arguments[count++] = name;
    arguments[count++] = (char *)settings[1];
  }
  int silent = open("/dev/null", O_RDWR);
  dup2(silent, 0), dup2(silent, 1), dup2(silent, 2);
  execvp(arguments[0], arguments);
  _exit(127);
}

void server_start(struct server *server, const char *const *settings) {
  const char *folder = scratch_folder();
  for (int attempt = 0; attempt < 5; attempt++) {
    server->port = free_port();
    snprintf(server->url, sizeof server->url, "redis://127.0.0.1:%d", server->port);
    server->pid = fork();
    CHECK(server->pid >= 0);
    if (server->pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      run_server(server->port, folder, settings);
    }
    for (int tries = 0; tries < 2000 && waitpid(server->pid, NULL, WNOHANG) == 0; tries++) {
      int connection = connect_to(server->port);
      if (connection >= 0) {
        close(connection);
        return;
      }
      sleep_ms(10);
    }
    kill(server->pid, SIGKILL);
  }
  fail(__FILE__, __LINE__, "redis-server does not start: is it installed (Debian package redis-server)?");
}

int silent_start(struct server *server) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK(listener >= 0 && bind(listener, (struct sockaddr *)&address, size) == 0);
  /* The kernel connects those who come; nobody takes them. */
  CHECK(listen(listener, 1000) == 0);
  CHECK(getsockname(listener, (struct sockaddr *)&address, &size) == 0);
  server->pid = 0;
  server->port = ntohs(address.sin_port);
  snprintf(server->url, sizeof server->url, "redis://127.0.0.1:%d", server->port);
  return listener;
}

void server_freeze(const struct server *server) { CHECK(kill(server->pid, SIGSTOP) == 0); }

void server_thaw(const struct server *server) { CHECK(kill(server->pid, SIGCONT) == 0); }

void server_stop(struct server *server) {
  kill(server->pid, SIGKILL);
  waitpid(server->pid, NULL, 0);
}

static void send_all(int connection, const char *bytes, size_t size) {
  CHECK(send(connection, bytes, size, MSG_NOSIGNAL) == (ssize_t)size);
}

void server_command(const struct server *server, char *reply, size_t size, int count, const char *const *words,
                    const size_t *lengths) {
  int connection = connect_to(server->port);
  CHECK(connection >= 0);
  char line[64];
  send_all(connection, line, (size_t)sprintf(line, "*%d\r\n", count));
  for (int i = 0; i < count; i++) {
    size_t length = lengths ? lengths[i] : strlen(words[i]);
    send_all(connection, line, (size_t)sprintf(line, "$%zu\r\n", length));
    send_all(connection, words[i], length);
    send_all(connection, "\r\n", 2);
  }
  shutdown(connection, SHUT_WR);
  size_t got = 0;
  for (ssize_t n; got + 1 < size && (n = recv(connection, reply + got, size - 1 - got, 0)) > 0;) got += (size_t)n;
  reply[got] = 0;
  reply[strcspn(reply, "\r\n")] = 0;
  close(connection);
}
