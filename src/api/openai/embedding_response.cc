#include "api/openai/embedding_response.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>

#include "api/json_text.h"

namespace infe::api {
namespace {

// Bytes of the text of one float, on average.
constexpr size_t kFloatText = 13;

void AppendBase64(std::string& out, std::span<const uint8_t> bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j) group = group << 8 | (j < count ? bytes[i + j] : 0);
    for (size_t j = 0; j < 4; ++j) out += j <= count ? kDigits[group >> (18 - 6 * j) & 63] : '=';
  }
}

void AppendVector(std::string& out, std::span<const float> vector, VectorEncoding encoding) {
  switch (encoding) {
    case VectorEncoding::kFloat:
      out += '[';
      for (size_t i = 0; i < vector.size(); ++i) {
        if (i > 0) out += ',';
        AppendFloat(out, vector[i]);
      }
      out += ']';
      return;
    case VectorEncoding::kBase64:
      // Clients read little-endian floats.
      static_assert(std::endian::native == std::endian::little);
      out += '"';
      AppendBase64(out, {reinterpret_cast<const uint8_t*>(vector.data()), vector.size_bytes()});
      out += '"';
      return;
  }
}

}  // namespace

std::string WriteEmbeddings(std::string_view model, const answer::Embeddings& embeddings,
                            VectorEncoding encoding) {
  std::string out;
  out.reserve(embeddings.vectors.size() * (64 + embeddings.vectors.front().size() * kFloatText));
  ObjectText body(out);
  body.String("object", "list");
  body.Key("data") += '[';
  for (size_t i = 0; i < embeddings.vectors.size(); ++i) {
    if (i > 0) out += ',';
    ObjectText item(out);
    item.String("object", "embedding");
    item.Integer("index", static_cast<int64_t>(i));
    AppendVector(item.Key("embedding"), embeddings.vectors[i], encoding);
    item.Close();
  }
  out += ']';
  body.String("model", model);
  ObjectText usage(body.Key("usage"));
  usage.Integer("prompt_tokens", embeddings.totals.prompt_tokens);
  usage.Integer("total_tokens", embeddings.totals.prompt_tokens);
  usage.Close();
  body.Close();
  return out;
}

}  // namespace infe::api
