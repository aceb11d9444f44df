#include "api/openai/embedding_request.h"

#include <array>
#include <utility>

#include "api/fields.h"
#include "api/request_body.h"

namespace infe::api {
namespace {

constexpr std::array<EnumName<VectorEncoding>, 2> kEncodings = {
    {{"float", VectorEncoding::kFloat}, {"base64", VectorEncoding::kBase64}}};
// As the servers of other models call them.
constexpr std::array<EnumName<answer::TextRole>, 5> kRoles = {
    {{"query", answer::TextRole::kQuery},
     {"document", answer::TextRole::kDocument},
     {"passage", answer::TextRole::kDocument},
     {"search_query", answer::TextRole::kQuery},
     {"search_document", answer::TextRole::kDocument}}};

void RefuseEmptyTexts(const std::vector<TextInput>& inputs, ParseContext& context) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    const auto* text = std::get_if<std::string>(&inputs[i]);
    if (text == nullptr || !text->empty()) continue;
    context.Fail(EmptyString(inputs.size() == 1 ? "input" : Indexed("input", i)));
  }
}

}  // namespace

Parsed<EmbeddingRequest> ParseEmbeddingRequest(std::string_view text, const ParseOptions& options) {
  Parsed<Json> json = ParseBody(text, options);
  if (!json) return std::move(json).error();
  ParseContext context(options);
  Fields body(*json, "", context);
  EmbeddingRequest request;
  request.model = body.RequireString("model");
  request.inputs = ParseTextInputs(body, "input", kEmbeddingInputsMax);
  RefuseEmptyTexts(request.inputs, context);
  request.encoding = body.Enum("encoding_format", kEncodings).value_or(VectorEncoding::kFloat);
  request.dimensions = body.Integer("dimensions", {.min = 1});
  request.role = body.Enum("input_type", kRoles).value_or(answer::TextRole::kPlain);
  request.user = body.String("user", kIdentityMax).value_or("");
  body.Finish();
  if (context.failed()) return context.TakeError();
  request.ignored = context.TakeIgnored();
  return request;
}

answer::EmbedAsk TakeAsk(EmbeddingRequest& request) {
  answer::EmbedAsk ask;
  ask.texts = std::exchange(request.inputs, {});
  ask.texts_origin = "input";
  ask.role = request.role;
  ask.role_origin = "input_type";
  ask.dimensions = request.dimensions;
  ask.dimensions_origin = "dimensions";
  return ask;
}

}  // namespace infe::api
