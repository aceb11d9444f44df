// Memory that an object stands for, in the fuel of the work that made it.
#pragma once

#include <cstddef>
#include <utility>

#include "base/fuel.h"

namespace infe {

// Memory counted for as long as this lives; a copy holds as much again. The fuel outlives it.
class HeldBytes {
 public:
  HeldBytes() = default;
  HeldBytes(Fuel* fuel, size_t bytes) : fuel_(fuel) { Grow(bytes); }
  HeldBytes(const HeldBytes& other) : HeldBytes(other.fuel_, other.bytes_) {}
  HeldBytes(HeldBytes&& other) noexcept : fuel_(other.fuel_), bytes_(other.bytes_) {
    other.bytes_ = 0;
  }
  HeldBytes& operator=(HeldBytes other) noexcept {
    std::swap(fuel_, other.fuel_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~HeldBytes() {
    if (fuel_ != nullptr) fuel_->Release(bytes_);
  }

  void Grow(size_t bytes) {
    bytes_ += bytes;
    if (fuel_ != nullptr) fuel_->Hold(bytes);
  }
  size_t bytes() const { return bytes_; }

 private:
  Fuel* fuel_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace infe
