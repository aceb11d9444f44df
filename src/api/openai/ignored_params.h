// The fields of a request that had no effect, by path, as the header x-infe-ignored-params lists
// them. Array indices are left out (tools[].cache_control), each path is listed once.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace infe::api {

class IgnoredParams {
 public:
  static constexpr size_t kNamesMax = 32;
  static constexpr size_t kNameBytesMax = 64;

  // Names come from the client and go into a header: only [A-Za-z0-9_.[]-] is kept, 64 bytes of it
  // ("_" if nothing is left). After 32 names further ones are dropped.
  void Add(std::string_view path);

  bool full() const { return names_.size() >= kNamesMax; }
  bool empty() const { return names_.empty(); }
  const std::vector<std::string>& names() const { return names_; }
  std::string Header() const;  // joined by ", "; empty if there is none

 private:
  std::vector<std::string> names_;
};

}  // namespace infe::api
