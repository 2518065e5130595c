// The C++ programs of benches/compare: ours, and the one written by hand, read the same.
#include <arrowredis.hpp>

#include <cstdio>
#include <string>

#include "harness.h"
#include "server.h"

using namespace arrowredis;

namespace {

// What a program prints, but for the seconds at its end.
std::string outcome(const std::string &program, const std::string &url, const std::string &flags) {
  std::string command = program + " --redis-url " + url + "/0 --batches 16 " + flags;
  FILE *output = popen(command.c_str(), "r");
  CHECK(output);
  char line[256] = "";
  char *read = fgets(line, sizeof line, output);
  CHECK_INT(pclose(output), 0);
  CHECK(read);
  std::string text = line;
  return text.substr(0, text.find(", \"total_seconds\""));
}

void both_read_the_same() {
  server server;
  server_start(&server, nullptr);
  Store store(server.url);
  for (const char *codec : {"zstd", "lz4", "none"}) {
    GenerateOptions shape{{"partitions", 3}, {"batches", 16}, {"rows", 500}, {"dict_strings", true}};
    SplitReport report = store.split(codec, generate(shape).stream(), {{"compression", codec}});
    std::string prefix = std::string("--prefix ") + codec;
    std::string all = "{\"rows\": 24000, \"chunks\": 48, \"payload_bytes\": " +
                      std::to_string(report.metrics.payload_bytes);
    CHECK(outcome(OURS, server.url, prefix) == all);
    CHECK(outcome(BYHAND, server.url, prefix) == all);
    std::string two = outcome(OURS, server.url, prefix + " --partitions 0,2");
    CHECK_CONTAINS(two.c_str(), "{\"rows\": 16000, \"chunks\": 32, ");
    CHECK(outcome(BYHAND, server.url, prefix + " --partitions 0,2") == two);
  }
  server_stop(&server);
}

}  // namespace

int main(int argc, char **argv) {
  static const test tests[] = {{"both_read_the_same", both_read_the_same}};
  return run_tests(argc, argv, tests, sizeof tests / sizeof *tests);
}
