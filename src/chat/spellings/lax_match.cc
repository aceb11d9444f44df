#include "chat/spellings/lax_match.h"

#include "chat/spellings/call_renderings.h"

namespace infe::chat {

LaxMatch MatchLax(std::string_view text, std::string_view mark) {
  size_t at = 0;
  const auto skip_blanks = [&] {
    while (at < mark.size() && IsBlank(mark[at])) ++at;
  };
  skip_blanks();
  if (at == mark.size()) return LaxMatch::kNo;
  for (const char c : text) {
    if (IsBlank(c)) continue;
    if (at == mark.size() || mark[at] != c) return LaxMatch::kNo;
    ++at;
    skip_blanks();
  }
  return at == mark.size() ? LaxMatch::kWhole : LaxMatch::kPartial;
}

}  // namespace infe::chat
