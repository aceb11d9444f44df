// Result<T>: a value or an Error, or an error of another type: Result<T, E>. The method names are
// those of C++23's std::expected, which g++ 12 lacks in C++20 mode, so that an alias can replace
// this file one day.
//
//   Result<int> Parse(std::string_view text);
//   INFE_ASSIGN(const int n, Parse(text));   // returns the error from the calling function
//   INFE_TRY(Save(n));                       // the same for Result<void>
#pragma once

#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/check.h"
#include "base/error.h"

namespace infe {

// Not a std::variant, whose tables for every pair of types cost each file that names a Result
// a tenth of a second of compile time.
template <typename T, typename E = Error>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  Result(T value) : value_(std::move(value)), has_value_(true) {}   // NOLINT: by design
  Result(E error) : error_(std::move(error)), has_value_(false) {}  // NOLINT: by design
  Result(Result&& other) noexcept : has_value_(other.has_value_) { Construct(std::move(other)); }
  Result(const Result& other)
    requires std::is_copy_constructible_v<T>
      : has_value_(other.has_value_) {
    Construct(other);
  }
  Result& operator=(Result other) noexcept {
    Destroy();
    has_value_ = other.has_value_;
    Construct(std::move(other));
    return *this;
  }
  ~Result() { Destroy(); }

  bool has_value() const { return has_value_; }
  explicit operator bool() const { return has_value_; }
  T& value() & { return Get(); }
  const T& value() const& { return Get(); }
  T&& value() && { return std::move(Get()); }
  T& operator*() & { return Get(); }
  const T& operator*() const& { return Get(); }
  T&& operator*() && { return std::move(Get()); }
  T* operator->() { return &Get(); }
  const T* operator->() const { return &Get(); }
  const E& error() const& {
    INFE_CHECK(!has_value_);
    return error_;
  }
  E&& error() && {
    INFE_CHECK(!has_value_);
    return std::move(error_);
  }

 private:
  template <typename Other>
  void Construct(Other&& other) {
    if (has_value_)
      new (static_cast<void*>(&value_)) T(std::forward<Other>(other).value_);
    else
      new (static_cast<void*>(&error_)) E(std::forward<Other>(other).error_);
  }
  void Destroy() {
    if (has_value_)
      value_.~T();
    else
      error_.~E();
  }
  T& Get() {
    INFE_CHECK(has_value_);
    return value_;
  }
  const T& Get() const {
    INFE_CHECK(has_value_);
    return value_;
  }
  union {
    T value_;
    E error_;
  };
  bool has_value_;
};

template <typename E>
class [[nodiscard]] Result<void, E> {
 public:
  Result() = default;
  Result(E error) : error_(std::move(error)) {}  // NOLINT: by design

  bool has_value() const { return !error_.has_value(); }
  explicit operator bool() const { return has_value(); }
  const E& error() const& {
    INFE_CHECK(error_.has_value());
    return *error_;
  }
  E&& error() && {
    INFE_CHECK(error_.has_value());
    return std::move(*error_);
  }

 private:
  std::optional<E> error_;
};

}  // namespace infe

#define INFE_CONCAT_INNER(a, b) a##b
#define INFE_CONCAT(a, b) INFE_CONCAT_INNER(a, b)
#define INFE_TRY(expression)                                   \
  do {                                                         \
    if (auto infe_try_result = (expression); !infe_try_result) \
      return std::move(infe_try_result).error();               \
  } while (false)
#define INFE_ASSIGN(declaration, expression) \
  INFE_ASSIGN_INNER(INFE_CONCAT(infe_assign_, __LINE__), declaration, expression)
#define INFE_ASSIGN_INNER(temporary, declaration, expression) \
  auto temporary = (expression);                              \
  if (!temporary) return std::move(temporary).error();        \
  declaration = std::move(temporary).value()
