// The C++ interface: every class, ownership, errors as exceptions.
#include <arrowredis.hpp>

#include <atomic>
#include <thread>
#include <vector>

#include "data.h"
#include "harness.h"
#include "server.h"

using namespace arrowredis;

namespace {

static_assert(!std::is_copy_constructible_v<Store> && std::is_nothrow_move_constructible_v<Store>);
static_assert(!std::is_copy_constructible_v<Dataset> && std::is_nothrow_move_constructible_v<Dataset>);
static_assert(!std::is_copy_constructible_v<Reader> && std::is_move_constructible_v<Reader>);
static_assert(!std::is_copy_constructible_v<Writer> && !std::is_copy_constructible_v<CancelToken>);
static_assert(!std::is_copy_constructible_v<Stream> && std::is_nothrow_move_constructible_v<Stream>);
static_assert(!std::is_copy_constructible_v<ReadOptions> && std::is_nothrow_move_constructible_v<ReadOptions>);

// The error that a piece of work throws.
template <typename Work>
Error thrown_by(Work work) {
  try {
    work();
  } catch (const Error &error) {
    return error;
  }
  fail(__FILE__, __LINE__, "nothing was thrown");
}

template <typename Work>
void check_thrown(Work work, const char *part) {
  Error error = thrown_by(work);
  CHECK_CONTAINS(error.what(), part);
}

GenerateOptions shape() { return {{"partitions", 3}, {"batches", 2}, {"rows", 100}, {"dict_strings", true}}; }

void publish_generated(const Store &store, const char *prefix) { store.split(prefix, generate(shape()).stream()); }

int64_t rows_of(Reader &reader) {
  int64_t rows = 0;
  for (const Batch &batch : reader) rows += batch.rows();
  return rows;
}

Array own_batch(int partition, int64_t first, int64_t rows) {
  Array array;
  make_batch(array.get(), partition, first, rows);
  return array;
}

Schema own_schema() {
  Schema schema;
  make_schema(schema.get());
  return schema;
}

Stream own_stream(int batches, int64_t rows) {
  Stream stream;
  make_stream(stream.get(), batches, rows, -1, 0, nullptr);
  return stream;
}

void round_trip_over(const std::string &url) {
  Store store(url);
  SplitReport report = store.split("cpp:1", generate(shape()).stream(), {{"compression", "lz4"}});
  CHECK_INT(report.chunks, 6);
  CHECK_INT(report.partitions, 3);
  CHECK_INT(report.metrics.rows, 600);
  CHECK_INT(report.upload_id.size(), 32);

  Dataset dataset = store.open("cpp:1");
  DatasetInfo info = dataset.info();
  CHECK(info.prefix == "cpp:1" && info.compression == "lz4" && info.upload_id == report.upload_id);
  CHECK(info.rows == 600 && info.chunks == 6 && info.has_manifest && info.partition_column == "partition");
  std::vector<Partition> partitions = dataset.partitions();
  CHECK(partitions.size() == 3 && partitions[1].id == 1 && partitions[1].value == "1" && partitions[1].rows == 200);
  CHECK_INT(dataset.schema()->n_children, 10);
  CHECK_INT(dataset.check(), 0);
  CHECK_INT(count_stream_rows(dataset.nodes().get()), 1);

  int batches = 0;
  for (const Batch &batch : dataset.read({{"partitions", "0,2"}, {"columns", {"id64", "float64_c"}}})) {
    uint32_t partition = batches / 2 * 2, position = batches % 2;
    CHECK(batch.partition() == partition && batch.batch() == position && batch.columns() == 2 && batch.rows() == 100);
    Span<int64_t> ids = batch.values<int64_t>(0);
    CHECK_INT(ids.size(), 100);
    CHECK_INT(ids[0], (partition * 2 + position) * 100);
    CHECK_INT(batch.values<double>(1).size(), 100);
    batches++;
  }
  CHECK_INT(batches, 4);
  CHECK_INT(store.list("cpp:").size(), 1);
  CHECK(store.list("cpp:")[0].rows == 600u);
  CHECK_INT(store.collect_garbage("cpp:").datasets, 0);
  CHECK(!store.ping().server.empty());
  CHECK_INT(store.remove("cpp:1"), 6);
  CHECK(thrown_by([&] { store.open("cpp:1"); }).code() == Code::NotFound);
}

void memory_store() { round_trip_over("memory://cpp"); }
void directory_store() { round_trip_over(std::string("file://") + scratch_path("store")); }
void redis_store() {
  server server;
  server_start(&server, nullptr);
  round_trip_over(server.url);
  server_stop(&server);
}

void values_are_typed() {
  Store store("memory://typed");
  publish_generated(store, "t");
  Batch batch = *store.open("t").read().next();
  CHECK_INT(batch.values<int64_t>(0).size(), 100);    // id64
  CHECK_INT(batch.values<int32_t>(1).size(), 100);    // partition
  CHECK_INT(batch.values<double>(3).size(), 100);     // float64_c
  CHECK_INT(batch.values<float>(4).size(), 100);      // float32_c
  CHECK_INT(batch.values<int64_t>(6).size(), 100);    // ts_ns
  check_thrown([&] { batch.values<int32_t>(0); }, "column 'id64' has the Arrow format 'l'");
  check_thrown([&] { batch.values<uint64_t>(0); }, "'id64'");
  check_thrown([&] { batch.values<double>(4); }, "'float32_c'");
  check_thrown([&] { batch.values<int32_t>(6); }, "'ts_ns'");
  check_thrown([&] { batch.values<uint8_t>(5); }, "'bool_c'");
  check_thrown([&] { batch.values<int32_t>(8); }, "'str_c'");
  check_thrown([&] { batch.values<int64_t>(10); }, "there is no column 10: there are 10");
}

void errors_are_thrown() {
  Error error = thrown_by([] { Store store("nope://x"); });
  CHECK(error.code() == Code::InvalidArgument && !error.retryable() && error.server_code().empty());
  CHECK(!error.partition() && !error.batch());
  CHECK_CONTAINS(error.what(), "INVALID_ARGUMENT: unknown kind of store 'nope'");
  check_thrown([] { ReadOptions{{"colums", "a"}}; }, "unknown option 'colums'");
  check_thrown([] { ReadOptions{{"concurrency", true}}; }, "option 'concurrency'");
  check_thrown([] { ReadOptions().set("verify_checksums", 1.5); }, "'verify_checksums'");
  Store store("memory://errors");
  store.close();
  check_thrown([&] { store.close(); }, "was closed");
  server server;
  const char *settings[] = {"requirepass", "secret", nullptr};
  server_start(&server, settings);
  error = thrown_by([&] { Store("redis://:bad@127.0.0.1:" + std::to_string(server.port)).ping(); });
  CHECK(error.code() == Code::PermissionDenied && error.server_code() == "WRONGPASS");
  server_stop(&server);
}

void set_password(const server &server, const std::string &password) {
  std::string secret = ">" + password;
  const char *words[] = {"ACL", "SETUSER", "reader", "reset", "on", secret.c_str(), "~*", "&*", "+@all"};
  size_t lengths[9];
  for (size_t i = 0; i < 9; i++) lengths[i] = std::string_view(words[i]).size();
  char reply[64];
  server_command(&server, reply, sizeof reply, 9, words, lengths);
  CHECK_CONTAINS(reply, "OK");
}

void credentials_rotate_on_an_open_store() {
  server server;
  server_start(&server, nullptr);
  publish_generated(Store(server.url), "r");
  set_password(server, "first-canary");
  Store store("redis://reader:first-canary@127.0.0.1:" + std::to_string(server.port), {{"client_name", "rotating"}});
  Dataset dataset = store.open("r");
  Reader before = dataset.read();
  CHECK_INT(rows_of(before), 600);
  set_password(server, "second-canary");
  store.set_credentials("", "wrong-canary");
  Error error = thrown_by([&] { store.ping(); });
  CHECK(error.code() == Code::PermissionDenied && error.server_code() == "WRONGPASS");
  CHECK(error.message().find("canary") == std::string::npos);
  store.set_credentials("", "second-canary");
  Reader after = dataset.read();
  CHECK_INT(rows_of(after), 600);
  CHECK(thrown_by([] { Store("memory://nobody").set_credentials("", "x"); }).code() == Code::Unsupported);
  server_stop(&server);
}

uint64_t received_bytes() {
  std::string text = metrics_text(), name = "\narrowredis_received_bytes_total ";
  size_t position = text.find(name);
  CHECK(position != std::string::npos);
  return std::stoull(text.substr(position + name.size()));
}

void metrics_of_the_process() {
  server server;
  server_start(&server, nullptr);
  Store store(server.url);
  publish_generated(store, "m");
  Dataset dataset = store.open("m");
  uint64_t before = received_bytes();
  Reader reader = dataset.read();
  CHECK_INT(rows_of(reader), 600);
  CHECK(reader.metrics().payload_bytes == dataset.info().payload_bytes);
  CHECK(received_bytes() - before >= reader.metrics().payload_bytes);
  server_stop(&server);
}

void options_of_every_type() {
  ReadOptions read{{"partitions", std::vector<std::string>{"0", "1"}}, {"verify_checksums", false},
                   {"concurrency", 2u}, {"max_inflight_bytes", uint64_t(1) << 30}, {"on_missing", "skip"}};
  StoreOptions store = StoreOptions().set("timeout", 0.25).set("connections", 3);
  CHECK(read.get() && store.get() && !ReadOptions().get());
  check_thrown([] { GenerateOptions{{"rows", uint64_t(1) << 40}}; }, "option 'rows'");
  for (int32_t kind = 1; arrowredis_options_kind_name(kind); kind++) {
    for (const OptionInfo &option : describe_options(kind)) CHECK(!option.key.empty() && !option.doc.empty());
  }
}

void moved_and_destroyed_in_any_order() {
  auto store = std::make_unique<Store>("memory://order");
  publish_generated(*store, "o");
  auto dataset = std::make_unique<Dataset>(store->open("o"));
  Reader first = dataset->read();
  Reader reader = std::move(first);
  Stream stream = reader.stream();
  store.reset();
  dataset.reset();
  std::optional<Batch> batch = reader.next();
  { Reader gone = std::move(reader); }
  CHECK_INT(count_stream_rows(stream.get()), 500);
  Stream other = std::move(stream);
  CHECK(!stream && other);
  stream = std::move(other);
  CHECK(stream && !other);
  CHECK_INT(batch->values<int64_t>(0)[99], 99);
}

void the_program_s_own_data() {
  Store store("memory://own");
  Writer writer = store.writer("own", own_schema());
  writer.write(own_batch(5, 0, 10));
  writer.write(own_batch(6, 10, 20));
  check_thrown([&] { writer.write(Array()); }, "released or moved already");
  SplitReport report = writer.finish();
  CHECK(report.chunks == 2 && report.replaced_upload_id.empty() && report.metrics.rows == 30);
  Reader reader = store.open("own").read({{"columns", "id"}});
  CHECK_INT(rows_of(reader), 30);
  {
    Writer abandoned = store.writer("other", own_schema());
    abandoned.write(own_batch(5, 0, 10));
  }
  CHECK_INT(store.list().size(), 1);
  Writer cancelled = store.writer("other", own_schema());
  cancelled.cancel();
  CHECK(thrown_by([&] { cancelled.finish(); }).code() == Code::Cancelled);
}

void files() {
  std::string path = scratch_path("f.arrow"), copy = scratch_path("g.arrow");
  CHECK_INT(generate_file(path, shape()).rows, 600);
  Store store("memory://files");
  CHECK_INT(store.split_file("f", path).chunks_copied, 6);
  CHECK_INT(store.open("f").read_to_file(copy).chunks, 6);
  Reader reader = read_file(copy, {{"mmap", true}, {"partitions", "1"}});
  CHECK_INT(rows_of(reader), 200);
  CHECK(thrown_by([] { read_file("/no/such/file"); }).code() == Code::NotFound);
  CHECK(thrown_by([] { read_file("s3://no-key"); }).code() == Code::InvalidArgument);
  // Nobody listens there.
  S3Options nowhere{{"endpoint_url", "http://127.0.0.1:1"}, {"max_retries", 0}, {"aws_access_key", "a"}, {"aws_secret_key", "b"}};
  CHECK(thrown_by([&] { upload_file(path, "s3://bucket/key", nowhere); }).code() == Code::Unavailable);
}

void comparisons() {
  Store store("memory://verify");
  store.split("v", own_stream(2, 10));
  Dataset dataset = store.open("v");
  VerifyReport same = verify(VerifySide::dataset(dataset), VerifySide::stream("mine", own_stream(2, 10)));
  CHECK(same.identical && same.columns.empty() && same.differences.empty() && same.metrics.rows == 20);
  CHECK(same.right.name == "mine" && same.right.rows == 20 && !same.right.payload_bytes && same.left.payload_bytes);
  VerifyReport other = verify(VerifySide::dataset(dataset), VerifySide::stream("other", own_stream(1, 20)));
  CHECK(!other.identical && other.columns.size() == 1 && other.differences.size() == 1);
  CHECK(other.columns[0].column == "partition" && other.columns[0].row == 10 && !other.columns[0].partition);
}

void cancelling_and_timeouts() {
  Store store("memory://cancel");
  publish_generated(store, "c");
  Dataset dataset = store.open("c");
  CancelToken token;
  Context context;
  context.cancel(token).max_inflight_bytes(1);
  Reader reader = dataset.read({}, &context), other = dataset.read();
  CHECK(reader.next());
  CHECK_INT(context.metrics().rows, 100);
  token.cancel();
  CHECK(token.is_cancelled());
  CHECK(thrown_by([&] { reader.next(); }).code() == Code::Cancelled);
  CHECK(reader.error()->code() == Code::Cancelled && !other.error());
  other.cancel();
  CHECK(thrown_by([&] { other.next(); }).code() == Code::Cancelled);

  server server;
  server_start(&server, nullptr);
  Store remote(server.url);
  publish_generated(remote, "c");
  server_freeze(&server);
  Context limited;
  limited.timeout(std::chrono::milliseconds(100));
  Error error = thrown_by([&] { remote.open("c", &limited); });
  CHECK(error.code() == Code::Timeout && error.retryable());
  server_thaw(&server);
  server_stop(&server);
}

#ifdef __cpp_lib_jthread
// The reader is bound by the stop token even when the context is gone.
void stop_tokens() {
  server server;
  server_start(&server, nullptr);
  Store store(server.url);
  publish_generated(store, "s");
  Dataset dataset = store.open("s");
  server_freeze(&server);
  std::atomic<bool> waiting = false;
  std::optional<Error> error;
  {
    std::jthread thread([&](std::stop_token stop) {
      Reader reader = [&] {
        Context context;
        context.stop(stop);
        return dataset.read({}, &context);
      }();
      waiting = true;
      error = thrown_by([&] { reader.next(); });
    });
    while (!waiting) std::this_thread::yield();
  }  // requests a stop, and joins
  CHECK(error->code() == Code::Cancelled);
  server_thaw(&server);
  server_stop(&server);
}
#endif

void log_records() {
  std::atomic<int> calls = 0;
  auto retry = [] {
    Store store("redis://127.0.0.1:1", {{"max_retries", 1}, {"retry_base_delay", "1ms"}});
    CHECK(thrown_by([&] { store.ping(); }).code() == Code::Unavailable);
  };
  set_log_callback(LogLevel::Info, [&](LogLevel, std::string_view target, std::string_view) {
    calls += target.substr(0, 10) == "arrowredis";
    throw 1;
  });
  retry();
  int seen = calls;
  CHECK(seen >= 1);
  set_log_callback(LogLevel::Off, {});
  set_log_queue(LogLevel::Info, 10);
  retry();
  CHECK_INT(calls, seen);
  std::optional<LogRecord> record = next_log_record(std::chrono::milliseconds(0));
  CHECK(record && record->level == LogLevel::Info && !record->message.empty());
  set_log_queue(LogLevel::Off, 0);
  CHECK(!next_log_record(std::chrono::milliseconds(0)));
}

}  // namespace

int main(int argc, char **argv) {
  static const test tests[] = {
      {"memory_store", memory_store},
      {"directory_store", directory_store},
      {"redis_store", redis_store},
      {"values_are_typed", values_are_typed},
      {"errors_are_thrown", errors_are_thrown},
      {"credentials_rotate_on_an_open_store", credentials_rotate_on_an_open_store},
      {"metrics_of_the_process", metrics_of_the_process},
      {"options_of_every_type", options_of_every_type},
      {"moved_and_destroyed_in_any_order", moved_and_destroyed_in_any_order},
      {"the_program_s_own_data", the_program_s_own_data},
      {"files", files},
      {"comparisons", comparisons},
      {"cancelling_and_timeouts", cancelling_and_timeouts},
#ifdef __cpp_lib_jthread
      {"stop_tokens", stop_tokens},
#endif
      {"log_records", log_records},
  };
  return run_tests(argc, argv, tests, sizeof tests / sizeof *tests);
}
