// Reads partitions from Redis with arrowredis.hpp into Arrow C++, and counts their rows, batch by batch, in order.
#include <arrowredis/arrow.hpp>

#include <memory>
#include <stdexcept>

#include "bench.hpp"

namespace {

auto prepare(const bench::Flags &flags) {
  auto dataset = std::make_shared<arrowredis::Dataset>(arrowredis::Store(flags.redis_url).open(flags.prefix));
  return [flags, dataset] {
    arrowredis::ReadOptions options;
    if (!flags.partitions.empty()) options.set("partitions", flags.partitions);
    if (!flags.columns.empty()) options.set("columns", flags.columns);
    arrowredis::Reader reader = dataset->read(options);
    auto batches = arrowredis::to_arrow(reader).ValueOrDie();
    bench::Outcome outcome;
    for (std::shared_ptr<arrow::RecordBatch> batch;;) {
      if (arrow::Status status = batches->ReadNext(&batch); !status.ok()) throw std::runtime_error(status.ToString());
      if (!batch) break;
      outcome.rows += batch->num_rows();
    }
    arrowredis::Metrics metrics = reader.metrics();
    outcome.chunks = static_cast<int64_t>(metrics.chunks);
    outcome.payload_bytes = static_cast<int64_t>(metrics.payload_bytes);
    return outcome;
  };
}

}  // namespace

int main(int count, char **arguments) { return bench::run(count, arguments, prepare); }
