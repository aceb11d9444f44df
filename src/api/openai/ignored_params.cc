#include "api/openai/ignored_params.h"

#include <algorithm>

namespace infe::api {
namespace {

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

bool IsAllowed(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || IsDigit(c) || c == '_' || c == '.' ||
         c == '[' || c == ']' || c == '-';
}

}  // namespace

void IgnoredParams::Add(std::string_view path) {
  if (full()) return;
  std::string name;
  for (size_t i = 0; i < path.size() && name.size() < kNameBytesMax; ++i) {
    if (IsAllowed(path[i])) name += path[i];
    if (path[i] != '[') continue;
    size_t end = i + 1;
    while (end < path.size() && IsDigit(path[end])) ++end;
    if (end < path.size() && path[end] == ']') i = end - 1;
  }
  if (name.empty()) name += '_';
  if (std::find(names_.begin(), names_.end(), name) == names_.end()) names_.push_back(name);
}

std::string IgnoredParams::Header() const {
  std::string out;
  for (const std::string& name : names_) {
    if (!out.empty()) out += ", ";
    out += name;
  }
  return out;
}

}  // namespace infe::api
