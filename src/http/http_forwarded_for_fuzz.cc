// X-Forwarded-For and networks, both of whoever writes them: each line of the input is one field,
// the first also a network.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "http/forwarded_for.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace infe::http;
  static const AddressSet proxies = *AddressSet::Parse({"10.0.0.0/8", "fd00::/8", "unix"});
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  // Only every address there is has both of these.
  if (const auto set = AddressSet::Parse({std::string(rest.substr(0, rest.find('\n')))}))
    INFE_CHECK(!set->empty() && !(set->Contains("10.1.2.3") && set->Contains("198.51.100.7")));
  Headers headers;
  for (bool more = true; more;) {
    const size_t end = rest.find('\n');
    more = end != std::string_view::npos;
    headers.Add("X-Forwarded-For", std::string(rest.substr(0, end)));
    if (more) rest.remove_prefix(end + 1);
  }
  // Whoever it is, it is an address in its one spelling.
  if (const auto client = ClientBehind(headers, proxies)) {
    const auto again = ParsePeer(client->text);
    INFE_CHECK(again && again->text == client->text && again->group == client->group);
    INFE_CHECK(client->text != "unix");
  }
  return 0;
}
