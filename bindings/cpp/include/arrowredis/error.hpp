// Errors, and what all calls go through.
#ifndef ARROWREDIS_ERROR_HPP
#define ARROWREDIS_ERROR_HPP

#include <arrowredis.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace arrowredis {

// The codes of arrowredis.h. A newer library may have more: treat those as Internal.
enum class Code : int32_t {
  InvalidArgument = ARROWREDIS_INVALID_ARGUMENT,
  NotFound = ARROWREDIS_NOT_FOUND,
  AlreadyExists = ARROWREDIS_ALREADY_EXISTS,
  Conflict = ARROWREDIS_CONFLICT,
  PermissionDenied = ARROWREDIS_PERMISSION_DENIED,
  Unavailable = ARROWREDIS_UNAVAILABLE,
  Timeout = ARROWREDIS_TIMEOUT,
  Cancelled = ARROWREDIS_CANCELLED,
  Corrupt = ARROWREDIS_CORRUPT,
  ChunkMissing = ARROWREDIS_CHUNK_MISSING,
  ResourceExhausted = ARROWREDIS_RESOURCE_EXHAUSTED,
  Unsupported = ARROWREDIS_UNSUPPORTED,
  Io = ARROWREDIS_IO,
  Forked = ARROWREDIS_FORKED,
  Internal = ARROWREDIS_INTERNAL,
};

// The name of a code, such as NOT_FOUND.
inline std::string_view code_name(Code code) {
  const char *name = arrowredis_code_name(static_cast<int32_t>(code));
  return name ? name : "UNKNOWN";
}

// What went wrong. what() is the code's name and the message.
class Error : public std::runtime_error {
 public:
  Error(Code code, std::string message)
      : std::runtime_error(std::string(code_name(code)) + ": " + message), code_(code), message_(std::move(message)) {}

  Code code() const noexcept { return code_; }
  // What failed, on what, and what to do about it.
  const std::string &message() const noexcept { return message_; }
  // Whether the same call may succeed later without any change.
  bool retryable() const noexcept { return retryable_; }
  // The first word of the server's own error reply, such as WRONGPASS; empty if no server sent one.
  const std::string &server_code() const noexcept { return server_code_; }
  // What the error is about, if it is about one partition or batch.
  std::optional<uint32_t> partition() const noexcept { return partition_; }
  std::optional<uint32_t> batch() const noexcept { return batch_; }

  // Takes over an error of the C interface.
  static Error take(arrowredis_error *error) {
    std::unique_ptr<arrowredis_error, decltype(&arrowredis_error_free)> owned(error, arrowredis_error_free);
    const char *message = arrowredis_error_message(error, nullptr);
    Error taken(static_cast<Code>(arrowredis_error_code(error)), message ? message : "");
    const char *server_code = arrowredis_error_server_code(error, nullptr);
    taken.server_code_ = server_code ? server_code : "";
    taken.retryable_ = arrowredis_error_retryable(error) != 0;
    taken.partition_ = number(arrowredis_error_partition(error));
    taken.batch_ = number(arrowredis_error_batch(error));
    return taken;
  }

 private:
  static std::optional<uint32_t> number(int64_t value) {
    return value < 0 ? std::nullopt : std::optional<uint32_t>(static_cast<uint32_t>(value));
  }

  Code code_;
  std::string message_, server_code_;
  bool retryable_ = false;
  std::optional<uint32_t> partition_, batch_;
};

// The version of the library that this program runs with.
inline std::string_view version() { return arrowredis_version(); }

// Handles and exported Arrow structs that are alive in this process: 0 when everything was cleaned up.
inline int64_t live_handles() noexcept { return arrowredis_live_handles(); }

namespace detail {

inline bool check_abi() {
  if (arrowredis_abi_version() != ARROWREDIS_ABI_VERSION) {
    throw Error(Code::Unsupported, "this program was compiled for version " + std::to_string(ARROWREDIS_ABI_VERSION) +
                                       " of libarrowredis's interface, the library has version " +
                                       std::to_string(arrowredis_abi_version()) + ": install the matching one");
  }
  return true;
}

// Calls function(arguments..., &error) and throws its error.
template <typename Function, typename... Arguments>
void call(Function function, Arguments... arguments) {
  static const bool checked = check_abi();
  (void)checked;
  arrowredis_error *error = nullptr;
  if (int32_t code = function(arguments..., &error); code != ARROWREDIS_OK) {
    if (error) throw Error::take(error);
    throw Error(static_cast<Code>(code), "no details");
  }
}

// Owns a handle.
template <typename T, void (*Free)(T *)>
struct Freeing {
  void operator()(T *handle) const noexcept { Free(handle); }
};
template <typename T, void (*Free)(T *)>
using Handle = std::unique_ptr<T, Freeing<T, Free>>;

// Calls function(arguments..., &handle, &error) and owns the handle.
template <typename H, typename Function, typename... Arguments>
H make(Function function, Arguments... arguments) {
  typename H::pointer handle = nullptr;
  call(function, arguments..., &handle);
  return H(handle);
}

inline std::string text(const char *borrowed) { return borrowed ? borrowed : ""; }

inline std::optional<std::string> optional_text(const char *borrowed) {
  return borrowed ? std::optional<std::string>(borrowed) : std::nullopt;
}

inline std::optional<uint64_t> known(int64_t value) {
  return value < 0 ? std::nullopt : std::optional<uint64_t>(static_cast<uint64_t>(value));
}

}  // namespace detail
}  // namespace arrowredis

#endif
