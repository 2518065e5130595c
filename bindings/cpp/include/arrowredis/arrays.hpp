// Owners of the structs of the Arrow C data interface.
#ifndef ARROWREDIS_ARRAYS_HPP
#define ARROWREDIS_ARRAYS_HPP

#include <cstring>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "error.hpp"

namespace arrowredis {

// Owns an ArrowSchema, ArrowArray or ArrowArrayStream and releases it.
template <typename T>
class Released {
 public:
  Released() noexcept : value_{} {}
  // Takes over a struct: `value` is marked as moved.
  explicit Released(T *value) noexcept : value_(*value) { value->release = nullptr; }
  Released(Released &&other) noexcept : Released(&other.value_) {}
  Released &operator=(Released &&other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~Released() {
    if (value_.release) value_.release(&value_);
  }

  // The struct, to look at, to fill when empty, or to hand over to who releases it.
  T *get() noexcept { return &value_; }
  const T *get() const noexcept { return &value_; }
  T *operator->() noexcept { return &value_; }
  const T *operator->() const noexcept { return &value_; }
  explicit operator bool() const noexcept { return value_.release != nullptr; }

 private:
  T value_;
};

using Schema = Released<ArrowSchema>;
using Array = Released<ArrowArray>;
using Stream = Released<ArrowArrayStream>;

// A run of values that somebody else owns.
template <typename T>
class Span {
 public:
  Span(const T *data, size_t size) noexcept : data_(data), size_(size) {}
  const T *data() const noexcept { return data_; }
  size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  const T *begin() const noexcept { return data_; }
  const T *end() const noexcept { return data_ + size_; }
  const T &operator[](size_t index) const noexcept { return data_[index]; }

 private:
  const T *data_;
  size_t size_;
};

namespace detail {

// Whether values of a type of C++ lie in arrays of a format of the Arrow C data interface.
template <typename T>
bool has_format(const char *format) {
  if (format[0] == 't' && format[1] != 'i') {  // dates, times, timestamps and durations are integers
    bool is_narrow = !std::strcmp(format, "tdD") || !std::strcmp(format, "tts") || !std::strcmp(format, "ttm");
    return std::is_integral_v<T> && std::is_signed_v<T> && sizeof(T) == (is_narrow ? 4 : 8);
  }
  if (std::strlen(format) != 1) return false;
  if constexpr (std::is_floating_point_v<T>) return format[0] == (sizeof(T) == 4 ? 'f' : 'g');
  const char *formats = std::is_signed_v<T> ? "csil" : "CSIL";
  size_t width = sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3;
  return std::is_integral_v<T> && !std::is_same_v<T, bool> && format[0] == formats[width];
}

}  // namespace detail

// A record batch: a struct array with its schema, and where it belongs. The memory belongs to it.
class Batch {
 public:
  Batch(Array array, std::shared_ptr<const Schema> schema, uint32_t partition, uint32_t batch)
      : array_(std::move(array)), schema_(std::move(schema)), partition_(partition), batch_(batch) {}

  int64_t rows() const noexcept { return array_->length; }
  size_t columns() const noexcept { return static_cast<size_t>(array_->n_children); }
  // The partition's id; ARROWREDIS_NO_PARTITION for batches that belong to none.
  uint32_t partition() const noexcept { return partition_; }
  // The batch within the partition, counted from 0.
  uint32_t batch() const noexcept { return batch_; }
  const Array &array() const noexcept { return array_; }
  // The array, to hand over.
  Array &array() noexcept { return array_; }
  const Schema &schema() const noexcept { return *schema_; }

  // The values of a column of numbers, dates, times or timestamps. What lies under a null is unspecified.
  template <typename T>
  Span<T> values(size_t column) const {
    if (column >= columns()) {
      throw Error(Code::InvalidArgument, "there is no column " + std::to_string(column) + ": there are " +
                                             std::to_string(columns()));
    }
    const ArrowSchema *type = (*schema_)->children[column];
    if (!detail::has_format<T>(type->format) || type->dictionary) {
      throw Error(Code::InvalidArgument, std::string("column '") + type->name + "' has the Arrow format '" +
                                             type->format + "': its values are of another type");
    }
    const ArrowArray *values = array_->children[column];
    return Span<T>(static_cast<const T *>(values->buffers[1]) + values->offset, static_cast<size_t>(values->length));
  }

 private:
  Array array_;
  std::shared_ptr<const Schema> schema_;
  uint32_t partition_, batch_;
};

}  // namespace arrowredis

#endif
