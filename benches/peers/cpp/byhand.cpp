// Reads partitions from Redis with hiredis and Arrow C++, as well as these two can, and counts their rows, batch by
// batch, in order.
//
// Workers, one more than there are cores, each have a connection. They take the next chunk, receive it in parts of half a
// megabyte into one buffer, and decode it in place: some receive while others decode. The consumer gets the batches in
// order; how far the workers may be ahead of it is bounded.
//
// Why it cannot be faster: the server, which needs the least time for replies of this size, is busy all the time with
// uncompressed chunks. hiredis parses out of one buffer of its own, so that a part is copied once in user space, within the
// cache; here the socket is read into that buffer, 1 MiB at a time instead of hiredis's 16 KiB, and the copy goes into
// memory that was used before. From there uncompressed columns are used where they lie, and zstd is the C library, one
// decoder for each buffer, into memory of Arrow's own pool (mimalloc). Receiving straight into an Arrow buffer would
// mean to replace hiredis's parser. IpcReadOptions can leave columns out of decoding, but not out of what is fetched.
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>

#include <atomic>
#include <future>
#include <semaphore>
#include <set>
#include <stdexcept>
#include <thread>

#include "bench.hpp"
#include "connection.hpp"

namespace {

// A decoded chunk.
struct Chunk {
  std::shared_ptr<arrow::RecordBatch> batch;
  int64_t payload_bytes = 0;
};

std::string key(const std::string &prefix, int partition, int batch) {
  char text[64];
  std::snprintf(text, sizeof text, ":{part=%05d}:batch=%05d", partition, batch);
  return prefix + text;
}

// The partitions that a SCAN finds.
std::vector<std::string> stored(Connection &connection, const std::string &prefix) {
  std::string before = prefix + ":{part=", pattern = before + "*}:batch=00000", cursor = "0";
  std::set<std::string> found;
  do {
    connection.ask("SCAN %s MATCH %s COUNT 10000", cursor.c_str(), pattern.c_str());
    std::unique_ptr<Reply> page = connection.reply();
    cursor = page->elements.at(0)->text();
    for (const auto &name : page->elements.at(1)->elements) {
      std::string text = name->text();
      found.insert(text.substr(before.size(), text.find('}') - before.size()));
    }
  } while (cursor != "0");
  return {found.begin(), found.end()};
}

Chunk decode(std::shared_ptr<arrow::Buffer> payload) {
  int64_t bytes = payload->size();
  arrow::ipc::IpcReadOptions options = arrow::ipc::IpcReadOptions::Defaults();
  options.use_threads = false;  // the chunks are what runs in parallel
  auto source = std::make_shared<arrow::io::BufferReader>(std::move(payload));
  auto reader = arrow::ipc::RecordBatchStreamReader::Open(source, options).ValueOrDie();
  std::shared_ptr<arrow::RecordBatch> batch;
  if (arrow::Status status = reader->ReadNext(&batch); !status.ok()) throw std::runtime_error(status.ToString());
  return {std::move(batch), bytes};
}

class Read {
 public:
  Read(std::vector<std::unique_ptr<Connection>> &connections, std::vector<std::string> keys,
       std::vector<size_t> sizes)
      : connections_(connections), keys_(std::move(keys)), sizes_(std::move(sizes)), results_(keys_.size()) {}

  bench::Outcome run() {
    bench::Outcome outcome;
    std::vector<std::jthread> workers;
    for (auto &connection : connections_) workers.emplace_back([this, &connection] { work(*connection); });
    for (auto &result : results_) {
      Chunk chunk = result.get_future().get();
      outcome.rows += chunk.batch->num_rows();
      outcome.chunks++;
      outcome.payload_bytes += chunk.payload_bytes;
      ahead_.release();
    }
    return outcome;
  }

 private:
  void work(Connection &connection) try {
    while (true) {
      ahead_.acquire();
      size_t number = next_++;
      if (number >= keys_.size()) return;
      results_[number].set_value(decode(connection.value(keys_[number], sizes_[number])));
    }
  } catch (const std::exception &error) {
    // The other workers are of no use any more.
    std::fprintf(stderr, "%s\n", error.what());
    std::_Exit(1);
  }

  std::vector<std::unique_ptr<Connection>> &connections_;
  std::vector<std::string> keys_;
  std::vector<size_t> sizes_;
  std::vector<std::promise<Chunk>> results_;
  std::atomic<size_t> next_ = 0;
  // Chunks that may be asked for and not yet consumed.
  std::counting_semaphore<> ahead_{16};
};

auto prepare(const bench::Flags &flags) {
  auto buffers = std::make_shared<Buffers>();
  auto connections = std::make_shared<std::vector<std::unique_ptr<Connection>>>();
  Address address(flags.redis_url);
  unsigned workers = std::thread::hardware_concurrency() + 1;
  for (unsigned i = 0; i < workers; i++) connections->push_back(std::make_unique<Connection>(address, *buffers));
  return [flags, buffers, connections] {
    auto partitions = flags.partitions.empty() ? stored(*connections->front(), flags.prefix) : flags.partitions;
    std::vector<std::string> keys;
    for (const std::string &partition : partitions) {
      for (int batch = 0; batch < flags.batches; batch++) keys.push_back(key(flags.prefix, std::stoi(partition), batch));
    }
    std::vector<size_t> sizes;
    for (const std::string &name : keys) connections->front()->ask("STRLEN %s", name.c_str());
    for (size_t i = 0; i < keys.size(); i++) sizes.push_back(connections->front()->reply()->number);
    return Read(*connections, std::move(keys), std::move(sizes)).run();
  };
}

}  // namespace

int main(int count, char **arguments) { return bench::run(count, arguments, prepare); }
