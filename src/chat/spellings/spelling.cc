#include "chat/spellings/spelling.h"

#include <array>

#include "chat/spellings/harmony_spelling.h"
#include "chat/spellings/json_spelling.h"
#include "chat/spellings/literal_spelling.h"
#include "chat/spellings/named_spelling.h"
#include "chat/spellings/tagged_spelling.h"

namespace infe::chat {
namespace {

const JsonSpelling kJsonSpelling;
const NamedSpelling kNamedSpelling;
const HarmonySpelling kHarmonySpelling;
const LiteralSpelling kLiteralSpelling;
const TaggedSpelling kTaggedSpelling;
const std::array<const Spelling*, 5> kSpellings{&kHarmonySpelling, &kJsonSpelling, &kNamedSpelling,
                                                &kLiteralSpelling, &kTaggedSpelling};

}  // namespace

std::span<const Spelling* const> Spellings() {
  return kSpellings;
}

std::optional<ToolFormat> ProbeToolFormat(const jinja::Template& compiled,
                                          const TemplateTraits& traits, const Json& variables) {
  if (!traits.takes_tool_calls) return std::nullopt;
  const TemplateProbe probe(compiled, variables);
  const Json* eos = variables.find("eos_token");
  const std::optional<CallRenderings> rendered =
      RenderCalls(probe, traits, eos != nullptr ? eos->as_string() : std::string());
  if (!rendered) return std::nullopt;
  for (const Spelling* spelling : Spellings())
    if (std::optional<ToolFormat> format = spelling->Probe(*rendered)) return format;
  return std::nullopt;
}

const Spelling& SpellingOf(ToolFormat::Kind kind) {
  switch (kind) {
    case ToolFormat::Kind::kJson:
    case ToolFormat::Kind::kBareJson:
      return kJsonSpelling;
    case ToolFormat::Kind::kNamed:
      return kNamedSpelling;
    case ToolFormat::Kind::kTagged:
      return kTaggedSpelling;
    case ToolFormat::Kind::kHarmony:
      return kHarmonySpelling;
    case ToolFormat::Kind::kLiteral:
      return kLiteralSpelling;
  }
  return kJsonSpelling;
}

}  // namespace infe::chat
