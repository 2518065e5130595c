// To and from Arrow C++, without copying data. Needs Arrow's headers and library.
#ifndef ARROWREDIS_ARROW_HPP
#define ARROWREDIS_ARROW_HPP

#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>

#include <memory>
#include <utility>

#include "../arrowredis.hpp"

namespace arrowredis {

// The batches of a reader that have not been taken yet. It goes on when the reader is destroyed; errors come as
// arrow::Status, Reader::error() has the details.
inline arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> to_arrow(const Reader &reader) {
  Stream stream = reader.stream();
  return arrow::ImportRecordBatchReader(stream.get());
}

// A stream, such as a dataset's chunk listing.
inline arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> to_arrow(Stream stream) {
  return arrow::ImportRecordBatchReader(stream.get());
}

// One batch. Its memory goes back when the last array that uses it is gone.
inline arrow::Result<std::shared_ptr<arrow::RecordBatch>> to_arrow(Batch batch,
                                                                   std::shared_ptr<arrow::Schema> schema) {
  return arrow::ImportRecordBatch(batch.array().get(), std::move(schema));
}

inline arrow::Result<std::shared_ptr<arrow::Schema>> to_arrow(Schema schema) {
  return arrow::ImportSchema(schema.get());
}

// A reader of Arrow C++ as a stream, for Store::split or VerifySide::stream.
inline arrow::Result<Stream> from_arrow(std::shared_ptr<arrow::RecordBatchReader> reader) {
  Stream stream;
  ARROW_RETURN_NOT_OK(arrow::ExportRecordBatchReader(std::move(reader), stream.get()));
  return stream;
}

// A record batch, for Writer::write.
inline arrow::Result<Array> from_arrow(const arrow::RecordBatch &batch) {
  Array array;
  ARROW_RETURN_NOT_OK(arrow::ExportRecordBatch(batch, array.get()));
  return array;
}

// A schema, for Store::writer.
inline arrow::Result<Schema> from_arrow(const arrow::Schema &schema) {
  Schema exported;
  ARROW_RETURN_NOT_OK(arrow::ExportSchema(schema, exported.get()));
  return exported;
}

}  // namespace arrowredis

#endif
