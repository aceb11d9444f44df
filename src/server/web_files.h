// The pages of web/, as they travel inside the binary: made by tools/web at build time. A build
// that could not run Node has one plain page instead, which says so.
#pragma once

#include <span>
#include <string_view>

namespace infe::server {

struct WebFile {
  // Under the server's root: "" is the playground's page and "ops.html" that of operations, which
  // its port has at its own root; the others are "web/NAME-HASH.js" and the like.
  std::string_view path;
  std::string_view type;  // Content-Type
  // Of the content, quotes included.
  std::string_view etag;
  std::string_view gzip;
  // The same for clients that do not take gzip.
  std::string_view plain;
};

// Where the playground lies, and no plain page alone.
bool HasPlayground();
std::span<const WebFile> WebFiles();

}  // namespace infe::server
