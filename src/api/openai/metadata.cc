#include "api/openai/metadata.h"

#include <fmt/format.h>

namespace infe::api {

std::optional<Metadata> ParseMetadata(Fields& body) {
  const Json* object = body.TakeObject("metadata");
  if (object == nullptr) return std::nullopt;
  ParseContext& context = body.context();
  Metadata out;
  if (object->object().size() > kMetadataPairsMax)
    context.Fail(ObjectTooLarge("metadata", kMetadataPairsMax, object->object().size()));
  for (const auto& [key, value] : object->object()) {
    if (context.failed()) break;
    if (const size_t size = CountCharacters(key); size > kMetadataKeyMax)
      context.Fail(StringTooLong("metadata", kMetadataKeyMax, size));
    const std::string path = fmt::format("metadata.{}", Quoted(key));
    std::optional<std::string> text = ReadString(value, path, context);
    if (!text) break;
    if (const size_t size = CountCharacters(*text); size > kMetadataValueMax)
      context.Fail(StringTooLong(path, kMetadataValueMax, size));
    out.emplace_back(key, *std::move(text));
  }
  return out;
}

}  // namespace infe::api
