// What both programs share: the command line and the report of the peers in other languages.
#ifndef BENCH_HPP
#define BENCH_HPP

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

// What a program is asked to read.
struct Flags {
  std::string redis_url = "redis://127.0.0.1:6379/0", prefix = "bench";
  std::vector<std::string> partitions, columns;  // all if empty
  int batches = 16;                              // per partition
};

// What a read moved.
struct Outcome {
  int64_t rows = 0, chunks = 0, payload_bytes = 0;
};

inline std::vector<std::string> words(const std::string &list) {
  std::vector<std::string> words;
  std::istringstream stream(list);
  for (std::string word; std::getline(stream, word, ',');) words.push_back(word);
  return words;
}

inline Flags parse(int count, char **arguments) {
  Flags flags;
  for (int i = 1; i + 1 < count; i += 2) {
    std::string_view name = arguments[i];
    std::string value = arguments[i + 1];
    if (name == "--redis-url") flags.redis_url = value;
    if (name == "--prefix") flags.prefix = value;
    if (name == "--batches") flags.batches = std::stoi(value);
    if (name == "--columns") flags.columns = words(value);
    if (name == "--partitions" && value != "all") flags.partitions = words(value);
  }
  return flags;
}

// Does a job, which is made ready first, and prints one JSON object.
template <typename Prepare>
int run(int count, char **arguments, Prepare prepare) try {
  auto job = prepare(parse(count, arguments));
  auto start = std::chrono::steady_clock::now();
  Outcome outcome = job();
  std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::printf("{\"rows\": %lld, \"chunks\": %lld, \"payload_bytes\": %lld, \"total_seconds\": %.6f}\n",
              static_cast<long long>(outcome.rows), static_cast<long long>(outcome.chunks),
              static_cast<long long>(outcome.payload_bytes), seconds.count());
  return 0;
} catch (const std::exception &error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}

}  // namespace bench

#endif
