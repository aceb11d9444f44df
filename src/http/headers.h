// Header fields of a request or a response: order kept, names compared without regard to case.
// A vector, not a map: a message has about ten fields, and order and duplicates matter.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace infe::http {

struct Header {
  std::string name;
  std::string value;
};

// ASCII only, as field names are.
bool EqualsIgnoreCase(std::string_view a, std::string_view b);

class Headers {
 public:
  Headers() = default;
  Headers(std::initializer_list<Header> fields) : fields_(fields) {}

  void Add(std::string name, std::string value) {
    fields_.push_back({std::move(name), std::move(value)});
  }
  // Replaces every field of that name by this one.
  void Set(std::string_view name, std::string value);
  void Remove(std::string_view name);

  // The first field of that name, or null.
  const std::string* Find(std::string_view name) const;
  // Its value, or "" when there is none. Lives as long as the field.
  std::string_view Get(std::string_view name) const;
  size_t Count(std::string_view name) const;

  size_t size() const { return fields_.size(); }
  bool empty() const { return fields_.empty(); }
  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }
  void clear() { fields_.clear(); }

 private:
  std::vector<Header> fields_;
};

}  // namespace infe::http
