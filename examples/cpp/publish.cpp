// publish [URL]: publishes what this program has in memory, and reads two of its columns back.
//
// Data goes in through the Arrow C data interface: a schema and record batches as plain structs, each with a callback
// that frees it. (With Arrow C++ at hand, <arrowredis/arrow.hpp> makes them from arrow::RecordBatch.)
#include <arrowredis.hpp>

#include <array>
#include <iostream>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

namespace {

// The schema lies in static memory: nothing is to be freed.
void nothing_to_free(ArrowSchema *schema) { schema->release = nullptr; }

arrowredis::Schema make_schema() {
  static ArrowSchema station{"i", "station", nullptr, 0, 0, nullptr, nullptr, nothing_to_free, nullptr};
  static ArrowSchema time{"l", "time", nullptr, 0, 0, nullptr, nullptr, nothing_to_free, nullptr};
  static ArrowSchema temperature{"g", "temperature", nullptr, 0, 0, nullptr, nullptr, nothing_to_free, nullptr};
  static std::array<ArrowSchema *, 3> columns{&station, &time, &temperature};
  ArrowSchema schema{"+s", "", nullptr, 0, 3, columns.data(), nullptr, nothing_to_free, nullptr};
  return arrowredis::Schema(&schema);
}

// The measurements of one station, and what describes them.
struct Measurements {
  std::vector<int32_t> station;
  std::vector<int64_t> time;
  std::vector<double> temperature;
  std::array<std::array<const void *, 2>, 3> buffers;
  std::array<const void *, 1> no_buffer{nullptr};
  std::array<ArrowArray, 3> columns;
  std::array<ArrowArray *, 3> pointers;
};

// Hands the vectors over as a record batch: not a value is copied.
arrowredis::Array to_batch(std::unique_ptr<Measurements> data) {
  const auto rows = static_cast<int64_t>(data->time.size());
  const std::array<const void *, 3> values{data->station.data(), data->time.data(), data->temperature.data()};
  for (size_t i = 0; i < 3; i++) {
    data->buffers[i] = {nullptr, values[i]};  // no bitmap of nulls
    data->columns[i] = {rows, 0, 0, 2, 0, data->buffers[i].data(), nullptr, nullptr,
                        [](ArrowArray *column) { column->release = nullptr; }, nullptr};
    data->pointers[i] = &data->columns[i];
  }
  auto release = [](ArrowArray *batch) {
    delete static_cast<Measurements *>(batch->private_data);
    batch->release = nullptr;
  };
  ArrowArray batch{rows, 0, 0, 1, 3, data->no_buffer.data(), data->pointers.data(), nullptr, release, nullptr};
  batch.private_data = data.release();
  return arrowredis::Array(&batch);
}

arrowredis::Array measure(int32_t station) {
  auto data = std::make_unique<Measurements>();
  for (int row = 0; row < 1000; row++) {
    data->station.push_back(station);
    data->time.push_back(1700000000 + 60 * row);
    data->temperature.push_back(10.0 + station + row % 10 * 0.1);
  }
  return to_batch(std::move(data));
}

}  // namespace

int main(int argc, char **argv) try {
  const std::string url = argc > 1 ? argv[1] : "memory://demo", prefix = "example:publish";
  arrowredis::Store store(url);

  arrowredis::Writer writer =
      store.writer(prefix, make_schema(), {{"partition_column", "station"}, {"overwrite", true}});
  for (int32_t station = 0; station < 4; station++) writer.write(measure(station));
  arrowredis::SplitReport report = writer.finish();
  std::cout << "published " << report.partitions << " partitions as upload " << report.upload_id << "\n";

  for (const arrowredis::Batch &batch : store.open(prefix).read({{"columns", {"time", "temperature"}}})) {
    arrowredis::Span<double> temperature = batch.values<double>(1);
    double sum = std::accumulate(temperature.begin(), temperature.end(), 0.0);
    std::cout << "station " << batch.partition() << ": " << sum / static_cast<double>(temperature.size())
              << " degrees on average from " << batch.values<int64_t>(0)[0] << " on\n";
  }
  store.remove(prefix);
  return 0;
} catch (const arrowredis::Error &error) {
  std::cerr << error.what() << "\n";
  return 1;
}
