// Readers: running reads, batch by batch or as an Arrow C stream.
#ifndef ARROWREDIS_READER_HPP
#define ARROWREDIS_READER_HPP

#include <iterator>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "arrays.hpp"
#include "context.hpp"
#include "options.hpp"

namespace arrowredis {

// A running read: record batches in the order of partition and batch. Fetching and decoding go on in the background
// while batches are taken. May be shared by threads, but for its iterators.
class Reader {
 public:
  using Owned = detail::Handle<arrowredis_reader, arrowredis_reader_free>;
  explicit Reader(Owned handle, std::shared_ptr<const void> binding = nullptr)
      : handle_(std::move(handle)), binding_(std::move(binding)), schema_(std::make_shared<const Schema>(fetch_schema())) {}

  const Schema &schema() const noexcept { return *schema_; }

  // The next batch, or nothing after the last. An error ends the read: later calls throw it again.
  std::optional<Batch> next() {
    Array array;
    uint32_t partition = ARROWREDIS_NO_PARTITION, batch = 0;
    detail::call(arrowredis_reader_next, handle_.get(), array.get(), &partition, &batch);
    if (!array) return std::nullopt;
    return Batch(std::move(array), schema_, partition, batch);
  }

  // The batches that have not been taken yet as an Arrow C stream, which needs nothing of this object. What was
  // bound by a stop token is so as long as this object lives.
  Stream stream() const {
    Stream stream;
    detail::call(arrowredis_reader_export, handle_.get(), stream.get());
    return stream;
  }

  // The error that ended the read, also one that a stream reported as a number only.
  std::optional<Error> error() const {
    arrowredis_error *error = nullptr;
    detail::call(arrowredis_reader_error, handle_.get(), &error);
    return error ? std::optional<Error>(Error::take(error)) : std::nullopt;
  }

  Metrics metrics() const {
    Metrics metrics{};
    detail::call(arrowredis_reader_metrics, handle_.get(), &metrics, sizeof metrics);
    return metrics;
  }

  // Cancels this read alone, from any thread.
  void cancel() const noexcept { arrowredis_reader_cancel(handle_.get()); }

  // for (const Batch &batch : reader)
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Batch;
    using difference_type = std::ptrdiff_t;
    using pointer = Batch *;
    using reference = Batch &;

    Iterator() = default;
    explicit Iterator(Reader *reader) : reader_(reader) { ++*this; }
    Batch &operator*() { return *batch_; }
    Batch *operator->() { return &*batch_; }
    Iterator &operator++() {
      batch_.reset();
      batch_ = reader_->next();
      return *this;
    }
    bool operator==(const Iterator &other) const { return batch_.has_value() == other.batch_.has_value(); }
    bool operator!=(const Iterator &other) const { return !(*this == other); }

   private:
    Reader *reader_ = nullptr;
    std::optional<Batch> batch_;
  };
  Iterator begin() { return Iterator(this); }
  Iterator end() { return Iterator(); }

 private:
  Schema fetch_schema() const {
    Schema schema;
    detail::call(arrowredis_reader_schema, handle_.get(), schema.get());
    return schema;
  }

  Owned handle_;
  std::shared_ptr<const void> binding_;
  std::shared_ptr<const Schema> schema_;
};

// Starts reading an IPC file, by its path or its URL on S3: s3://BUCKET/KEY.
inline Reader read_file(std::string_view path, const FileReadOptions &options = {}, const Context *context = nullptr) {
  return Reader(detail::make<Reader::Owned>(arrowredis_read_file, path.data(), path.size(), options.get(),
                                            detail::raw(context)),
                detail::binding(context));
}

// Starts generating a dataset in memory.
inline Reader generate(const GenerateOptions &options = {}, const Context *context = nullptr) {
  return Reader(detail::make<Reader::Owned>(arrowredis_generate, options.get(), detail::raw(context)),
                detail::binding(context));
}

// Generates a dataset into an IPC file.
inline Metrics generate_file(std::string_view path, const GenerateOptions &options = {},
                             const Context *context = nullptr) {
  Metrics metrics{};
  detail::call(arrowredis_generate_file, path.data(), path.size(), options.get(), detail::raw(context), &metrics,
               sizeof metrics);
  return metrics;
}

// Uploads a file to S3 by the URL s3://BUCKET/KEY.
inline Metrics upload_file(std::string_view path, std::string_view url, const S3Options &options = {},
                           const Context *context = nullptr) {
  Metrics metrics{};
  detail::call(arrowredis_upload_file, path.data(), path.size(), url.data(), url.size(), options.get(),
               detail::raw(context), &metrics, sizeof metrics);
  return metrics;
}

}  // namespace arrowredis

#endif
