// Log records: by a callback, or from a queue.
#ifndef ARROWREDIS_LOG_HPP
#define ARROWREDIS_LOG_HPP

#include <chrono>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "error.hpp"

namespace arrowredis {

enum class LogLevel : int32_t {
  Off = ARROWREDIS_LOG_OFF,
  Error = ARROWREDIS_LOG_ERROR,
  Warn = ARROWREDIS_LOG_WARN,
  Info = ARROWREDIS_LOG_INFO,
  Debug = ARROWREDIS_LOG_DEBUG,
  Trace = ARROWREDIS_LOG_TRACE,
};

struct LogRecord {
  LogLevel level;
  std::string target, message;
};

// Called from threads of the library, several at a time; it must not call this library. What it throws is lost.
using LogCallback = std::function<void(LogLevel level, std::string_view target, std::string_view message)>;

// Has records of a level and above go to a callback; an empty one ends that.
inline void set_log_callback(LogLevel level, LogCallback callback) {
  // A call of an earlier callback may be under way for as long as it likes: none is ever destroyed.
  static std::mutex mutex;
  static std::list<LogCallback> *callbacks = new std::list<LogCallback>;
  arrowredis_log_callback forward = nullptr;
  void *user_data = nullptr;
  if (callback) {
    std::lock_guard<std::mutex> lock(mutex);
    user_data = &callbacks->emplace_back(std::move(callback));
    forward = [](void *data, int32_t number, const char *target, const char *message) {
      try {
        (*static_cast<LogCallback *>(data))(static_cast<LogLevel>(number), target, message);
      } catch (...) {
      }
    };
  }
  detail::call(arrowredis_log_set_callback, static_cast<int32_t>(level), forward, user_data);
}

// Has records of a level and above wait in a queue of so many; LogLevel::Off ends that.
inline void set_log_queue(LogLevel level, size_t capacity) {
  detail::call(arrowredis_log_set_queue, static_cast<int32_t>(level), capacity);
}

// The oldest record of the queue, waiting for one for so long.
inline std::optional<LogRecord> next_log_record(std::chrono::milliseconds timeout) {
  auto record = detail::make<detail::Handle<arrowredis_log_record, arrowredis_log_record_free>>(
      arrowredis_log_next, static_cast<uint64_t>(timeout.count()));
  if (!record) return std::nullopt;
  return LogRecord{static_cast<LogLevel>(arrowredis_log_record_level(record.get())),
                   arrowredis_log_record_target(record.get(), nullptr),
                   arrowredis_log_record_message(record.get(), nullptr)};
}

}  // namespace arrowredis

#endif
