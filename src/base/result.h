// Result<T>: a value or an Error, or an error of another type: Result<T, E>. The method names are
// those of C++23's std::expected, which g++ 12 lacks in C++20 mode, so that an alias can replace
// this file one day.
//
//   Result<int> Parse(std::string_view text);
//   INFE_ASSIGN(const int n, Parse(text));   // returns the error from the calling function
//   INFE_TRY(Save(n));                       // the same for Result<void>
#pragma once

#include <optional>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/error.h"

namespace infe {

template <typename T, typename E = Error>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: by design
  Result(E error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: by design

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  T& value() & { return Get(); }
  const T& value() const& { return Get(); }
  T&& value() && { return std::move(Get()); }
  T& operator*() & { return Get(); }
  const T& operator*() const& { return Get(); }
  T&& operator*() && { return std::move(Get()); }
  T* operator->() { return &Get(); }
  const T* operator->() const { return &Get(); }
  const E& error() const& {
    INFE_CHECK(!has_value());
    return *std::get_if<1>(&state_);
  }
  E&& error() && {
    INFE_CHECK(!has_value());
    return std::move(*std::get_if<1>(&state_));
  }

 private:
  T& Get() {
    INFE_CHECK(has_value());
    return *std::get_if<0>(&state_);
  }
  const T& Get() const {
    INFE_CHECK(has_value());
    return *std::get_if<0>(&state_);
  }
  std::variant<T, E> state_;
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
