// Comparisons of datasets, files and streams.
#ifndef ARROWREDIS_VERIFY_HPP
#define ARROWREDIS_VERIFY_HPP

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "store.hpp"

namespace arrowredis {

// One of the two things that are compared. A stream can be compared once.
class VerifySide {
 public:
  static VerifySide dataset(const Dataset &dataset, const ReadOptions &options = {}) {
    return VerifySide(detail::make<Owned>(arrowredis_verify_dataset, dataset.get(), options.get()));
  }
  static VerifySide file(std::string_view path, const FileReadOptions &options = {}) {
    return VerifySide(detail::make<Owned>(arrowredis_verify_file, path.data(), path.size(), options.get()));
  }
  static VerifySide stream(std::string_view name, Stream stream) {
    return VerifySide(detail::make<Owned>(arrowredis_verify_stream, name.data(), name.size(), stream.get()));
  }
  const arrowredis_verify_side *get() const noexcept { return handle_.get(); }

 private:
  using Owned = detail::Handle<arrowredis_verify_side, arrowredis_verify_side_free>;
  explicit VerifySide(Owned handle) : handle_(std::move(handle)) {}
  Owned handle_;
};

// What was read on one side.
struct SideReport {
  std::string name;
  uint64_t rows, columns, batches;
  std::optional<uint64_t> payload_bytes;
};

// A column whose values differ, and the first place where they do.
struct ColumnDifference {
  std::string column;
  // When comparing by partition.
  std::optional<std::string> partition;
  uint64_t row;
  std::string left, right;
};

struct VerifyReport {
  bool identical = false;
  SideReport left, right;
  std::vector<ColumnDifference> columns;
  // Every difference as one sentence, and what differs in the schemas and does not count.
  std::vector<std::string> differences, notes;
  Metrics metrics{};
};

namespace detail {

inline SideReport side(const arrowredis_verify_report *report, size_t index) {
  arrowredis_verify_side_fields fields{};
  call(arrowredis_verify_report_side, report, index, &fields, sizeof fields);
  return {fields.name, fields.rows, fields.columns, fields.batches, known(fields.payload_bytes)};
}

template <typename Get>
std::vector<std::string> lines(const arrowredis_verify_report *report, Get get) {
  std::vector<std::string> all;
  while (const char *line = get(report, all.size(), nullptr)) all.emplace_back(line);
  return all;
}

}  // namespace detail

// Compares schema, number of rows, and all values, bit by bit. A difference is no error.
inline VerifyReport verify(const VerifySide &left, const VerifySide &right, const VerifyOptions &options = {},
                           const Context *context = nullptr) {
  auto handle = detail::make<detail::Handle<arrowredis_verify_report, arrowredis_verify_report_free>>(
      arrowredis_verify, left.get(), right.get(), options.get(), detail::raw(context));
  const arrowredis_verify_report *found = handle.get();
  VerifyReport report;
  report.identical = arrowredis_verify_report_identical(found) != 0;
  report.left = detail::side(found, 0);
  report.right = detail::side(found, 1);
  for (size_t i = 0; i < arrowredis_verify_report_column_count(found); i++) {
    arrowredis_column_difference one{};
    detail::call(arrowredis_verify_report_column, found, i, &one, sizeof one);
    report.columns.push_back({one.column, detail::optional_text(one.partition), one.row, one.left, one.right});
  }
  report.differences = detail::lines(found, arrowredis_verify_report_difference);
  report.notes = detail::lines(found, arrowredis_verify_report_note);
  detail::call(arrowredis_verify_report_metrics, found, &report.metrics, sizeof report.metrics);
  return report;
}

}  // namespace arrowredis

#endif
