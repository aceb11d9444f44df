// What separates one project's prompts from another's in the prefix cache. A hit is faster than a
// miss, so whoever could share a salt could ask what others have asked (CVE-2025-46570). The salt
// is a keyed hash of the project, never the client's own choice alone: nobody outside can name
// another project's salt, and neither projects nor keys stand in the engine's memory as text.
#pragma once

#include <string>
#include <string_view>

namespace infe::server {

class CacheSalt {
 public:
  // secret: the server's own, kept across restarts.
  explicit CacheSalt(std::string secret) : secret_(std::move(secret)) {}

  // 32 bytes. Equal only for the same project and the same prompt_cache_key (which may be empty).
  std::string Of(std::string_view project, std::string_view prompt_cache_key) const;

 private:
  const std::string secret_;
};

}  // namespace infe::server
