// Writers: a dataset from the program's own data, batch by batch.
#ifndef ARROWREDIS_WRITER_HPP
#define ARROWREDIS_WRITER_HPP

#include <memory>
#include <string>
#include <utility>

#include "arrays.hpp"
#include "context.hpp"

namespace arrowredis {

// What publishing came to.
struct SplitReport {
  std::string upload_id;
  // The upload that was replaced; empty if there was none.
  std::string replaced_upload_id;
  uint64_t partitions = 0, chunks = 0;
  // Chunks that were copied byte for byte rather than encoded anew.
  uint64_t chunks_copied = 0;
  Metrics metrics{};
};

namespace detail {

// Calls function(arguments..., report, metrics, &error).
template <typename Function, typename... Arguments>
SplitReport split(Function function, Arguments... arguments) {
  arrowredis_split_report report{};
  SplitReport result;
  call(function, arguments..., &report, sizeof report, &result.metrics, sizeof result.metrics);
  result.upload_id = report.upload_id;
  result.replaced_upload_id = report.replaced_upload_id;
  result.partitions = report.partitions;
  result.chunks = report.chunks;
  result.chunks_copied = report.chunks_copied;
  return result;
}

}  // namespace detail

// A dataset that is being written. Nothing is visible to readers before finish(); without it the upload is abandoned.
class Writer {
 public:
  using Owned = detail::Handle<arrowredis_writer, arrowredis_writer_free>;
  explicit Writer(Owned handle, std::shared_ptr<const void> binding = nullptr)
      : binding_(std::move(binding)), handle_(std::move(handle)) {}

  // Writes a record batch, given as a struct array. It is released once it is written, also on failure.
  void write(Array batch) { detail::call(arrowredis_writer_write, handle_.get(), batch.get()); }

  // Writes what is left, and publishes the dataset.
  SplitReport finish() { return detail::split(arrowredis_writer_finish, handle_.get()); }

  // Cancels the upload, from any thread.
  void cancel() const noexcept { arrowredis_writer_cancel(handle_.get()); }

 private:
  std::shared_ptr<const void> binding_;
  Owned handle_;
};

}  // namespace arrowredis

#endif
