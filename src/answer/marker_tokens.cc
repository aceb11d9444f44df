#include "answer/marker_tokens.h"

#include <algorithm>

namespace infe::answer {

std::vector<MarkerToken> FindMarkerTokens(const tokenizer::Tokenizer& tokenizer,
                                          const std::vector<tokenizer::TokenId>& end_tokens,
                                          const std::vector<std::string_view>& texts) {
  std::vector<MarkerToken> found;
  for (tokenizer::TokenId id = 0; id < tokenizer.size(); ++id) {
    if (tokenizer.Type(id) != tokenizer::TokenType::kControl) continue;
    if (std::ranges::find(end_tokens, id) != end_tokens.end()) continue;
    const std::string name = tokenizer.TokenText(id);
    const auto holds = [&](std::string_view text) { return text.find(name) != text.npos; };
    if (!name.empty() && std::ranges::any_of(texts, holds)) found.push_back({name, id});
  }
  std::ranges::stable_sort(found, [](const MarkerToken& a, const MarkerToken& b) {
    return a.name.size() > b.name.size();
  });
  return found;
}

}  // namespace infe::answer
