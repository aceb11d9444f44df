#include "http/forwarded_for.h"

#include <string_view>
#include <vector>

namespace infe::http {
namespace {

std::string_view Trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Without the brackets and the port that some proxies write.
std::string_view AddressOf(std::string_view entry) {
  entry = Trimmed(entry);
  if (entry.starts_with('[')) return entry.substr(1, entry.find(']') - 1);
  const size_t colon = entry.find(':');
  const bool has_port = colon != std::string_view::npos && colon == entry.rfind(':');
  return has_port ? entry.substr(0, colon) : entry;
}

}  // namespace

std::optional<PeerAddress> ClientBehind(const Headers& headers, const AddressSet& proxies) {
  // Several fields are one list, in their order.
  std::vector<std::string_view> fields;
  for (const Header& field : headers)
    if (EqualsIgnoreCase(field.name, "x-forwarded-for")) fields.push_back(field.value);
  std::optional<PeerAddress> client;
  for (auto field = fields.rbegin(); field != fields.rend(); ++field) {
    std::string_view rest = *field;
    for (bool more = true; more;) {
      const size_t comma = rest.rfind(',');
      more = comma != std::string_view::npos;
      const std::string_view entry = more ? rest.substr(comma + 1) : rest;
      if (more) rest = rest.substr(0, comma);
      auto address = ParsePeer(AddressOf(entry));
      if (!address) return client;
      client = std::move(address);
      if (!proxies.Contains(client->text)) return client;
    }
  }
  return client;
}

}  // namespace infe::http
