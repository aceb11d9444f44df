#include "api/openai/rerank_response.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "api/json_text.h"

namespace infe::api {
namespace {

std::vector<size_t> BestFirst(const answer::Embeddings& scores) {
  std::vector<size_t> order(scores.vectors.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return scores.vectors[a].front() > scores.vectors[b].front();
  });
  return order;
}

void AppendResults(std::string& out, const RerankRequest& request,
                   const answer::Embeddings& scores) {
  std::vector<size_t> order = BestFirst(scores);
  if (request.results_max && order.size() > static_cast<uint64_t>(*request.results_max))
    order.resize(static_cast<size_t>(*request.results_max));
  out += '[';
  for (size_t i = 0; i < order.size(); ++i) {
    if (i > 0) out += ',';
    ObjectText item(out);
    item.Integer("index", static_cast<int64_t>(order[i]));
    AppendFloat(item.Key("relevance_score"), scores.vectors[order[i]].front());
    if (request.return_documents == ReturnDocuments::kYes) {
      ObjectText document(item.Key("document"));
      document.String("text", request.documents[order[i]]);
      document.Close();
    }
    item.Close();
  }
  out += ']';
}

}  // namespace

std::string WriteRanking(std::string_view id, const RerankRequest& request,
                         const answer::Embeddings& scores) {
  std::string out;
  ObjectText body(out);
  body.String("id", id);
  body.String("object", "list");
  body.String("model", request.model);
  AppendResults(body.Key("results"), request, scores);
  ObjectText usage(body.Key("usage"));
  usage.Integer("prompt_tokens", scores.totals.prompt_tokens);
  usage.Integer("total_tokens", scores.totals.prompt_tokens);
  usage.Close();
  ObjectText meta(body.Key("meta"));
  ObjectText tokens(meta.Key("tokens"));
  tokens.Integer("input_tokens", scores.totals.prompt_tokens);
  tokens.Close();
  meta.Close();
  body.Close();
  return out;
}

}  // namespace infe::api
