// Parsed<T>: what a request body turned out to be, a T or the ApiError to answer with. It is
// base::Result with the error that the wire needs: status, type, param and code.
#pragma once

#include <utility>
#include <variant>

#include "api/api_error.h"
#include "base/check.h"

namespace infe::api {

template <typename T>
class [[nodiscard]] Parsed {
 public:
  using value_type = T;
  Parsed(T value) : state_(std::in_place_index<0>, std::move(value)) {}         // NOLINT: by design
  Parsed(ApiError error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: by design

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
  const ApiError& error() const& {
    INFE_CHECK(!has_value());
    return *std::get_if<1>(&state_);
  }
  ApiError&& error() && {
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
  std::variant<T, ApiError> state_;
};

}  // namespace infe::api
