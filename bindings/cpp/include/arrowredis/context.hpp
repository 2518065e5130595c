// What bounds calls: timeouts and cancelling; and their figures.
#ifndef ARROWREDIS_CONTEXT_HPP
#define ARROWREDIS_CONTEXT_HPP

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#if __has_include(<stop_token>)
#include <stop_token>
#endif

#include "error.hpp"

namespace arrowredis {

// Figures of an operation, see arrowredis.h.
using Metrics = arrowredis_metrics;

// All counters and histograms of the process since its start, in the text format of Prometheus. It holds no name of a
// key, a server or a user.
inline std::string metrics_text() {
  auto text = detail::make<detail::Handle<arrowredis_text, arrowredis_text_free>>(arrowredis_metrics_text);
  size_t length = 0;
  const char *characters = arrowredis_text_get(text.get(), &length);
  return std::string(characters, length);
}

// Ends operations. Any thread may fire it, before or during a call.
class CancelToken {
 public:
  CancelToken() : handle_(detail::make<Owned>(arrowredis_cancel_token_new)) {}
  // Never blocks, and may be called again.
  void cancel() const noexcept { arrowredis_cancel_token_cancel(handle_.get()); }
  bool is_cancelled() const noexcept { return arrowredis_cancel_token_is_cancelled(handle_.get()) != 0; }
  const arrowredis_cancel_token *get() const noexcept { return handle_.get(); }

 private:
  using Owned = detail::Handle<arrowredis_cancel_token, arrowredis_cancel_token_free>;
  Owned handle_;
};

#ifdef __cpp_lib_jthread
namespace detail {

// Fires a token of its own when a stop is requested. Lives as long as anything that is bound by it.
class StopBinding {
 public:
  explicit StopBinding(std::stop_token stop) : callback_(std::move(stop), Fire{&token_}) {}
  const CancelToken &token() const noexcept { return token_; }

 private:
  struct Fire {
    const CancelToken *token;
    void operator()() const noexcept { token->cancel(); }
  };
  CancelToken token_;
  std::stop_callback<Fire> callback_;
};

}  // namespace detail
#endif

// What bounds and reports a call. It may be used for one call after the other; the timeout counts anew for each. What
// is under way, such as a reader, does not need it to stay alive.
class Context {
 public:
  Context() : handle_(detail::make<Owned>(arrowredis_context_new)) {}

  // Ends each operation that is started from now on with Timeout when it has run for so long; 0 means never.
  Context &timeout(std::chrono::milliseconds timeout) {
    detail::call(arrowredis_context_set_timeout, handle_.get(), static_cast<uint64_t>(timeout.count()));
    return *this;
  }
  // Gives the operations that are started from now on a token.
  Context &cancel(const CancelToken &token) {
    detail::call(arrowredis_context_set_cancel_token, handle_.get(), token.get());
    return *this;
  }
#ifdef __cpp_lib_jthread
  // Cancels the operations that are started from now on when a stop is requested.
  Context &stop(std::stop_token stop) {
    auto binding = std::make_shared<detail::StopBinding>(std::move(stop));
    cancel(binding->token());
    binding_ = std::move(binding);
    return *this;
  }
#endif
  // Limits the bytes in flight of each operation that is started from now on; 0 means the default.
  Context &max_inflight_bytes(uint64_t bytes) {
    detail::call(arrowredis_context_set_max_inflight_bytes, handle_.get(), bytes);
    return *this;
  }
  // The figures of the latest operation that was started with this context; other threads may ask while it runs.
  Metrics metrics() const {
    Metrics metrics{};
    detail::call(arrowredis_context_metrics, handle_.get(), &metrics, sizeof metrics);
    return metrics;
  }

  const arrowredis_context *get() const noexcept { return handle_.get(); }
  // What must live as long as an operation that was started with this context.
  const std::shared_ptr<const void> &binding() const noexcept { return binding_; }

 private:
  using Owned = detail::Handle<arrowredis_context, arrowredis_context_free>;
  Owned handle_;
  std::shared_ptr<const void> binding_;
};

namespace detail {

inline const arrowredis_context *raw(const Context *context) { return context ? context->get() : nullptr; }

inline std::shared_ptr<const void> binding(const Context *context) {
  return context ? context->binding() : nullptr;
}

}  // namespace detail
}  // namespace arrowredis

#endif
