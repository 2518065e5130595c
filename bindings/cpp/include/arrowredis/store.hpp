// Stores and their datasets.
#ifndef ARROWREDIS_STORE_HPP
#define ARROWREDIS_STORE_HPP

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "reader.hpp"
#include "writer.hpp"

namespace arrowredis {

// What is known of a dataset. Without a manifest, strings are empty and numbers 0.
struct DatasetInfo {
  std::string prefix, upload_id, created_at, compression, writer;
  std::optional<std::string> partition_column;
  uint64_t rows, payload_bytes, chunks;
  bool has_manifest;
};

struct Partition {
  uint32_t id;
  // The value that it stands for, as text; nothing if it is not known.
  std::optional<std::string> value;
  uint64_t batches, rows, payload_bytes;
};

// A dataset of a store, at the version that was current when it was opened. May be shared by threads.
class Dataset {
 public:
  using Owned = detail::Handle<arrowredis_dataset, arrowredis_dataset_free>;
  explicit Dataset(Owned handle) : handle_(std::move(handle)) {}

  DatasetInfo info() const {
    arrowredis_dataset_fields fields{};
    detail::call(arrowredis_dataset_info, handle_.get(), &fields, sizeof fields);
    return {fields.prefix, fields.upload_id, fields.created_at, fields.compression, fields.writer,
            detail::optional_text(fields.partition_column), fields.rows, fields.payload_bytes, fields.chunks,
            fields.has_manifest != 0};
  }

  std::vector<Partition> partitions() const {
    size_t count = 0;
    detail::call(arrowredis_dataset_partition_count, handle_.get(), &count);
    std::vector<Partition> partitions;
    for (size_t i = 0; i < count; i++) {
      arrowredis_partition one{};
      detail::call(arrowredis_dataset_partition, handle_.get(), i, &one, sizeof one);
      partitions.push_back({static_cast<uint32_t>(one.partition), detail::optional_text(one.value), one.batches,
                            one.rows, one.payload_bytes});
    }
    return partitions;
  }

  Schema schema(const Context *context = nullptr) const {
    Schema schema;
    detail::call(arrowredis_dataset_schema, handle_.get(), detail::raw(context), schema.get());
    return schema;
  }

  // The chunk listing: one row for each chunk.
  Stream chunks() const {
    Stream stream;
    detail::call(arrowredis_dataset_chunks, handle_.get(), stream.get());
    return stream;
  }

  // How the chunks are spread over the nodes of a cluster: one row for each node. Every other store is one node.
  Stream nodes(const Context *context = nullptr) const {
    Stream stream;
    detail::call(arrowredis_dataset_nodes, handle_.get(), detail::raw(context), stream.get());
    return stream;
  }

  // How many chunks the store does not hold any more as they were published, without reading any.
  uint64_t check(const Context *context = nullptr, Stream *broken = nullptr) const {
    uint64_t count = 0;
    detail::call(arrowredis_dataset_check, handle_.get(), detail::raw(context), &count,
                 broken ? broken->get() : nullptr);
    return count;
  }

  Reader read(const ReadOptions &options = {}, const Context *context = nullptr) const {
    return Reader(detail::make<Reader::Owned>(arrowredis_read, handle_.get(), options.get(), detail::raw(context)),
                  detail::binding(context));
  }

  // Reads into an IPC file. An empty compression means as the dataset is stored.
  Metrics read_to_file(std::string_view path, std::string_view compression = {}, const ReadOptions &options = {},
                       const Context *context = nullptr) const {
    Metrics metrics{};
    detail::call(arrowredis_read_to_file, handle_.get(), path.data(), path.size(), compression.data(),
                 compression.size(), options.get(), detail::raw(context), &metrics, sizeof metrics);
    return metrics;
  }

  const arrowredis_dataset *get() const noexcept { return handle_.get(); }

 private:
  Owned handle_;
};

// What a store said of itself.
struct ServerInfo {
  std::string server, version, role;
  std::optional<std::string> max_memory_policy;
  std::optional<uint64_t> max_memory_bytes, used_memory_bytes;
  bool cluster, tls;
  double latency_seconds;
  std::vector<std::string> denied_commands;
};

// What a store holds under one name.
struct DatasetSummary {
  std::string prefix;
  std::optional<std::string> created_at, problem;
  bool has_manifest;
  uint64_t partitions, chunks, unlisted_chunks;
  std::optional<uint64_t> rows, payload_bytes;
};

using GarbageReport = arrowredis_garbage_report;

// A place where datasets live. May be shared by threads.
class Store {
 public:
  // redis://, rediss://, unix://, file:///dir or memory://NAME. A server is not contacted before the first operation.
  explicit Store(std::string_view url, const StoreOptions &options = {})
      : handle_(detail::make<Owned>(arrowredis_store_open, url.data(), url.size(), options.get())) {}

  // Where it is, without any credential.
  std::string description() const { return detail::text(arrowredis_store_description(handle_.get(), nullptr)); }

  // Logs in with other credentials from now on, for tokens that rotate: new connections use them, and those made with
  // the old ones serve no further request. An empty user keeps the one that the store was opened with.
  void set_credentials(std::string_view user, std::string_view password) const {
    detail::call(arrowredis_store_set_credentials, handle_.get(), user.data(), user.size(), password.data(),
                 password.size());
  }

  // Later calls with it throw InvalidArgument. What was opened from it goes on.
  void close() { detail::call(arrowredis_store_close, handle_.get()); }

  ServerInfo ping(const Context *context = nullptr) const {
    auto info = detail::make<detail::Handle<arrowredis_server_info, arrowredis_server_info_free>>(
        arrowredis_store_ping, handle_.get(), detail::raw(context));
    arrowredis_server_fields fields{};
    detail::call(arrowredis_server_info_fields, info.get(), &fields, sizeof fields);
    ServerInfo result{fields.server, fields.version, fields.role, detail::optional_text(fields.max_memory_policy),
                      detail::known(fields.max_memory_bytes), detail::known(fields.used_memory_bytes),
                      fields.cluster != 0, fields.tls != 0, fields.latency_seconds, {}};
    for (size_t i = 0; i < fields.denied_commands; i++) {
      result.denied_commands.push_back(detail::text(arrowredis_server_info_denied_command(info.get(), i, nullptr)));
    }
    return result;
  }

  Dataset open(std::string_view prefix, const Context *context = nullptr) const {
    return Dataset(detail::make<Dataset::Owned>(arrowredis_dataset_open, handle_.get(), prefix.data(), prefix.size(),
                                                detail::raw(context)));
  }

  // A dataset without a manifest, such as the original tool writes.
  Dataset open_without_manifest(std::string_view prefix) const {
    return Dataset(detail::make<Dataset::Owned>(arrowredis_dataset_open_without_manifest, handle_.get(), prefix.data(),
                                                prefix.size()));
  }

  // The datasets whose names begin with a text.
  std::vector<DatasetSummary> list(std::string_view start = {}, const Context *context = nullptr) const {
    auto list = detail::make<detail::Handle<arrowredis_dataset_list, arrowredis_dataset_list_free>>(
        arrowredis_dataset_list_open, handle_.get(), start.data(), start.size(), detail::raw(context));
    std::vector<DatasetSummary> summaries;
    for (size_t i = 0; i < arrowredis_dataset_list_count(list.get()); i++) {
      arrowredis_dataset_summary one{};
      detail::call(arrowredis_dataset_list_get, list.get(), i, &one, sizeof one);
      summaries.push_back({one.prefix, detail::optional_text(one.created_at), detail::optional_text(one.problem),
                           one.has_manifest != 0, one.partitions, one.chunks, one.unlisted_chunks,
                           detail::known(one.rows), detail::known(one.payload_bytes)});
    }
    return summaries;
  }

  // Deletes a dataset; returns how many chunks it had.
  uint64_t remove(std::string_view prefix, const Context *context = nullptr) const {
    uint64_t deleted = 0;
    detail::call(arrowredis_dataset_delete, handle_.get(), prefix.data(), prefix.size(), detail::raw(context), &deleted);
    return deleted;
  }

  // Publishes an IPC file.
  SplitReport split_file(std::string_view prefix, std::string_view path, const SplitOptions &options = {},
                         const Context *context = nullptr) const {
    return detail::split(arrowredis_split_file, handle_.get(), prefix.data(), prefix.size(), path.data(), path.size(),
                         options.get(), detail::raw(context));
  }

  // Publishes a stream, which is released when it has ended.
  SplitReport split(std::string_view prefix, Stream stream, const SplitOptions &options = {},
                    const Context *context = nullptr) const {
    return detail::split(arrowredis_split_stream, handle_.get(), prefix.data(), prefix.size(), stream.get(),
                         options.get(), detail::raw(context));
  }

  // Starts writing a dataset of record batches with a schema.
  Writer writer(std::string_view prefix, Schema schema, const SplitOptions &options = {},
                const Context *context = nullptr) const {
    return Writer(detail::make<Writer::Owned>(arrowredis_writer_open, handle_.get(), prefix.data(), prefix.size(),
                                              schema.get(), options.get(), detail::raw(context)),
                  detail::binding(context));
  }

  // Removes what dead uploads left behind, and nothing else.
  GarbageReport collect_garbage(std::string_view start = {}, const Context *context = nullptr) const {
    GarbageReport report{};
    detail::call(arrowredis_collect_garbage, handle_.get(), start.data(), start.size(), detail::raw(context), &report,
                 sizeof report, static_cast<ArrowArrayStream *>(nullptr));
    return report;
  }

  const arrowredis_store *get() const noexcept { return handle_.get(); }

 private:
  using Owned = detail::Handle<arrowredis_store, arrowredis_store_free>;
  Owned handle_;
};

}  // namespace arrowredis

#endif
