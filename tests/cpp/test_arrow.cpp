// To and from Arrow C++.
#include <arrow/api.h>

#include <arrowredis/arrow.hpp>

#include "harness.h"

namespace {

template <typename T>
T value(arrow::Result<T> result) {
  if (!result.ok()) fail(__FILE__, __LINE__, "%s", result.status().ToString().c_str());
  return std::move(result).ValueUnsafe();
}

std::shared_ptr<arrow::Table> small_table() {
  auto schema = arrow::schema({arrow::field("partition", arrow::int32()), arrow::field("name", arrow::utf8()),
                               arrow::field("list", arrow::list(arrow::float64()))});
  arrow::Int32Builder partitions;
  arrow::StringBuilder names;
  auto items = std::make_shared<arrow::DoubleBuilder>();
  arrow::ListBuilder lists(arrow::default_memory_pool(), items);
  for (int i = 0; i < 10; i++) {
    CHECK(partitions.Append(4).ok() && lists.Append().ok() && items->Append(i * 0.5).ok());
    CHECK((i % 3 ? names.Append("name " + std::to_string(i)) : names.AppendNull()).ok());
  }
  return arrow::Table::Make(schema, {value(partitions.Finish()), value(names.Finish()), value(lists.Finish())});
}

void a_table_there_and_back() {
  auto table = small_table();
  // A slice begins within its buffers.
  auto part = table->Slice(3, 5);
  arrowredis::Store store("memory://arrow");
  store.split("t", value(arrowredis::from_arrow(std::make_shared<arrow::TableBatchReader>(part))));
  auto reader = value(arrowredis::to_arrow(store.open("t").read()));
  auto back = value(reader->ToTable());
  if (!back->Equals(*part)) fail(__FILE__, __LINE__, "%s", back->ToString().c_str());
  CHECK(back->ValidateFull().ok());
}

void batch_by_batch() {
  auto batch = value(small_table()->CombineChunksToBatch());
  arrowredis::Store store("memory://batches");
  arrowredis::Writer writer = store.writer("b", value(arrowredis::from_arrow(*batch->schema())));
  for (int i = 0; i < 3; i++) writer.write(value(arrowredis::from_arrow(*batch)));
  writer.finish();
  arrowredis::Dataset dataset = store.open("b");
  auto schema = value(arrowredis::to_arrow(dataset.schema()));
  CHECK(schema->Equals(batch->schema()));
  int count = 0;
  for (arrowredis::Batch &one : dataset.read()) {
    auto imported = value(arrowredis::to_arrow(std::move(one), schema));
    CHECK(imported->Equals(*batch));
    count++;
  }
  CHECK_INT(count, 3);
  auto chunks = value(arrowredis::to_arrow(dataset.chunks()));
  CHECK_INT(value(chunks->ToTable())->num_rows(), 3);
}

void an_error_is_a_status() {
  arrowredis::Store store("memory://status");
  store.split("s", arrowredis::generate({{"partitions", 1}, {"batches", 4}, {"rows", 10}}).stream());
  arrowredis::Reader reader = store.open("s").read();
  auto imported = value(arrowredis::to_arrow(reader));
  reader.cancel();
  auto table = imported->ToTable();
  CHECK(!table.ok());
  std::string text = table.status().ToString();
  CHECK_CONTAINS(text.c_str(), "cancelled");
  CHECK(reader.error()->code() == arrowredis::Code::Cancelled);
}

}  // namespace

int main(int argc, char **argv) {
  static const test tests[] = {
      {"a_table_there_and_back", a_table_there_and_back},
      {"batch_by_batch", batch_by_batch},
      {"an_error_is_a_status", an_error_is_a_status},
  };
  return run_tests(argc, argv, tests, sizeof tests / sizeof *tests);
}
