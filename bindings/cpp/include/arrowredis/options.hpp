// Options, set by key; `arrowredis_options_describe` lists the keys of each kind.
#ifndef ARROWREDIS_OPTIONS_HPP
#define ARROWREDIS_OPTIONS_HPP

#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "error.hpp"

namespace arrowredis {

// A value of an option: a text as the command line takes it, a bool, an integer, seconds, or a list of names.
class OptionValue {
 public:
  OptionValue(const char *text) : value_(std::string(text)) {}
  OptionValue(std::string_view text) : value_(std::string(text)) {}
  OptionValue(std::string text) : value_(std::move(text)) {}
  OptionValue(double seconds) : value_(seconds) {}
  OptionValue(std::initializer_list<const char *> names) : value_(joined(names)) {}
  OptionValue(const std::vector<std::string> &names) : value_(joined(names)) {}
  template <typename T, std::enable_if_t<std::is_integral_v<T>, int> = 0>
  OptionValue(T number) : value_(from_integral(number)) {}

 private:
  using Value = std::variant<std::string, bool, int64_t, double>;

  template <typename T>
  static Value from_integral(T number) {
    if constexpr (std::is_same_v<T, bool>) return number;
    else if constexpr (std::is_unsigned_v<T>) return std::to_string(number);  // all of uint64_t, too
    else return static_cast<int64_t>(number);
  }

  template <typename Names>
  static std::string joined(const Names &names) {
    std::string text;
    for (const auto &name : names) text.append(text.empty() ? "" : ",").append(name);
    return text;
  }

  Value value_;
  template <int32_t Kind>
  friend class Options;
};

// The options of one kind. Empty ones are the defaults.
template <int32_t Kind>
class Options {
 public:
  Options() = default;
  // ReadOptions{{"partitions", "0,1"}, {"verify_checksums", false}}
  Options(std::initializer_list<std::pair<std::string_view, OptionValue>> values) {
    for (const auto &[key, value] : values) set(key, value);
  }

  // Throws InvalidArgument naming the key if it is unknown or the value does not fit; nothing is changed then.
  Options &set(std::string_view key, const OptionValue &value) & {
    if (!handle_) handle_ = detail::make<Owned>(arrowredis_options_new, Kind);
    std::visit([&](const auto &plain) { set_plain(key, plain); }, value.value_);
    return *this;
  }
  Options &&set(std::string_view key, const OptionValue &value) && { return std::move(set(key, value)); }

  // The handle of the C interface; NULL for the defaults.
  const arrowredis_options *get() const noexcept { return handle_.get(); }

 private:
  using Owned = detail::Handle<arrowredis_options, arrowredis_options_free>;

  void set_plain(std::string_view key, const std::string &value) {
    detail::call(arrowredis_options_set_string, handle_.get(), key.data(), key.size(), value.data(), value.size());
  }
  void set_plain(std::string_view key, bool value) {
    detail::call(arrowredis_options_set_bool, handle_.get(), key.data(), key.size(), int32_t(value));
  }
  void set_plain(std::string_view key, int64_t value) {
    detail::call(arrowredis_options_set_int64, handle_.get(), key.data(), key.size(), value);
  }
  void set_plain(std::string_view key, double value) {
    detail::call(arrowredis_options_set_double, handle_.get(), key.data(), key.size(), value);
  }

  Owned handle_;
};

using StoreOptions = Options<ARROWREDIS_OPTIONS_STORE>;
using ReadOptions = Options<ARROWREDIS_OPTIONS_READ>;
using FileReadOptions = Options<ARROWREDIS_OPTIONS_FILE_READ>;
using SplitOptions = Options<ARROWREDIS_OPTIONS_SPLIT>;
using GenerateOptions = Options<ARROWREDIS_OPTIONS_GENERATE>;
using VerifyOptions = Options<ARROWREDIS_OPTIONS_VERIFY>;
using RuntimeOptions = Options<ARROWREDIS_OPTIONS_RUNTIME>;
using S3Options = Options<ARROWREDIS_OPTIONS_S3>;

// What an option is.
struct OptionInfo {
  std::string key, value_type, default_value, doc;
};

// The options of a kind (ARROWREDIS_OPTIONS_...).
inline std::vector<OptionInfo> describe_options(int32_t kind) {
  size_t count = 0;
  detail::call(arrowredis_options_count, kind, &count);
  std::vector<OptionInfo> options;
  for (size_t i = 0; i < count; i++) {
    arrowredis_option_info info{};
    detail::call(arrowredis_options_describe, kind, i, &info, sizeof info);
    options.push_back({info.key, info.value_type, info.default_value, info.doc});
  }
  return options;
}

// Makes the settings of the process. Throws Conflict once the library has started its threads.
inline void configure(const RuntimeOptions &options) {
  if (options.get()) detail::call(arrowredis_configure, options.get());
}

}  // namespace arrowredis

#endif
