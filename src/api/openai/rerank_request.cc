#include "api/openai/rerank_request.h"

#include <utility>

#include "api/fields.h"
#include "api/request_body.h"

namespace infe::api {
namespace {

// A document is its text, or an object that holds it.
std::string ParseDocument(const Json& item, const std::string& path, ParseContext& context) {
  const Json* text = &item;
  if (item.is_object()) {
    text = item.find("text");
    if (text == nullptr) {
      context.Fail(MissingParameter(path + ".text"));
      return {};
    }
  }
  if (!text->is_string()) {
    context.Fail(InvalidType(path, "a string, or an object with a 'text'", TypeName(item)));
    return {};
  }
  if (text->as_string().empty()) context.Fail(EmptyString(path));
  return text->as_string();
}

void ParseDocuments(Fields& body, RerankRequest& request) {
  ParseContext& context = body.context();
  const Json* documents = body.RequireArray("documents");
  if (documents == nullptr) return;
  const Json::Array& array = documents->array();
  if (array.empty()) return context.Fail(EmptyArray("documents"));
  if (array.size() > kRerankDocumentsMax)
    return context.Fail(ArrayTooLong("documents", kRerankDocumentsMax, array.size()));
  request.documents.reserve(array.size());
  for (size_t i = 0; i < array.size() && !context.failed(); ++i)
    request.documents.push_back(ParseDocument(array[i], Indexed("documents", i), context));
}

}  // namespace

Parsed<RerankRequest> ParseRerankRequest(std::string_view text, const ParseOptions& options) {
  Parsed<Json> json = ParseBody(text, options);
  if (!json) return std::move(json).error();
  ParseContext context(options);
  Fields body(*json, "", context);
  RerankRequest request;
  request.model = body.RequireString("model");
  request.query = body.RequireString("query");
  if (request.query.empty() && !context.failed()) context.Fail(EmptyString("query"));
  ParseDocuments(body, request);
  request.results_max = body.Integer("top_n", {.min = 1});
  request.document_tokens_max = body.Integer("max_tokens_per_doc", {.min = 1});
  if (body.Bool("return_documents").value_or(false))
    request.return_documents = ReturnDocuments::kYes;
  body.Refuse("rank_fields", "A document is one text.");
  request.user = body.String("user", kIdentityMax).value_or("");
  body.Finish();
  if (context.failed()) return context.TakeError();
  request.ignored = context.TakeIgnored();
  return request;
}

answer::RankAsk TakeAsk(RerankRequest& request) {
  answer::RankAsk ask;
  ask.query = request.query;
  ask.query_origin = "query";
  ask.texts = request.return_documents == ReturnDocuments::kYes
                  ? request.documents
                  : std::exchange(request.documents, {});
  ask.texts_origin = "documents";
  ask.text_tokens_max = request.document_tokens_max;
  return ask;
}

}  // namespace infe::api
