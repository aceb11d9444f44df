// The small productions: escapes, lengths, chunk sizes and extensions, hosts, routes.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "http/grammar.h"
#include "http/router.h"
#include "http/sse.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace infe::http;
  const std::string text(reinterpret_cast<const char*>(data), size);
  // A length that is taken is the canonical spelling of its number.
  if (const auto length = ParseLength(text)) INFE_CHECK(std::to_string(*length) == text);
  if (const auto chunk = ParseChunkSize(text)) INFE_CHECK(*chunk <= INT64_MAX && size <= 16);
  if (IsChunkExtensions(text)) INFE_CHECK(text.empty() || text[0] == ';');
  if (IsHost(text)) INFE_CHECK(text.find_first_of(" /@?#\\\t") == std::string::npos);
  (void)ListHasToken(text, "close");
  // What is an origin form has a path that decodes.
  if (IsOriginForm(text)) INFE_CHECK(PercentDecode(text).has_value());
  static const Router router = [] {
    Router made;
    const Handler none = [](HttpRequest, std::shared_ptr<ResponseWriter>) {};
    made.Add("GET", "/a/{b}", none);
    made.Add("POST", "/a/{b}/c", none);
    made.Add("GET", "/d/{e*}", none);
    return made;
  }();
  const RouteMatch match = router.Match("GET", text);
  if (match.kind == RouteMatch::Kind::kFound) INFE_CHECK(match.params.size() == 1);
  // No payload ends its event early: the only empty line is the last.
  const std::string event = SseData(text);
  INFE_CHECK(event.find("\n\n") == event.size() - 2);
  return 0;
}
