// Building and rendering probe conversations, for template_traits.cc and the probes of spellings/.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "chat/template_traits.h"
#include "jinja/template.h"

namespace infe::chat {

// Words that no template contains.
inline constexpr std::string_view kProbeSystem = "zqsystem";
inline constexpr std::string_view kProbeUser = "zquser";
inline constexpr std::string_view kProbeAnswer = "zqanswer";
inline constexpr std::string_view kProbeResult = "zqresult";
inline constexpr std::string_view kProbeTool = "zqtool";
inline constexpr std::string_view kProbeSecondTool = "zqsecond";
inline constexpr std::string_view kProbeReasoning = "zqreasoning";
inline constexpr std::string_view kProbeKey = "zqkey";
inline constexpr std::string_view kProbeValue = "zqvalue";
// Of a call with several arguments: {kProbeKey: kProbeValue, kProbeSecondKey: "zqother",
// kProbeNumberKey: kProbeNumber, kProbeFlagKey: true, "zqobject": {kProbeDeepKey: "zqinner"}}.
inline constexpr std::string_view kProbeSecondKey = "zqmore";
inline constexpr std::string_view kProbeNumberKey = "zqnumber";
inline constexpr std::string_view kProbeNumber = "41";
inline constexpr std::string_view kProbeFlagKey = "zqflag";
inline constexpr std::string_view kProbeDeepKey = "zqdeep";

class TemplateProbe {
 public:
  // Both must outlive this object.
  TemplateProbe(const jinja::Template& compiled, const Json& variables)
      : compiled_(compiled), variables_(variables) {}

  struct Options {
    bool with_tools = false;
    bool add_generation_prompt = false;
    std::string set_variable;  // set to `value`, if named
    bool value = false;
  };
  // nullopt: the template raises.
  std::optional<std::string> Render(Json::Array messages, const Options& options) const;

 private:
  const jinja::Template& compiled_;
  const Json& variables_;
};

Json ProbeMessage(std::string_view role, Json content);
// An assistant's message with a call of each tool named.
Json ProbeCalls(const std::vector<std::string_view>& tools, const TemplateTraits& traits);
// The same with one call of kProbeTool that has several arguments.
Json ProbeSeveralArguments(const TemplateTraits& traits);
Json ProbeToolResult(std::string_view tool, const TemplateTraits& traits);
// The id that those two give the tool's call.
std::string ProbeCallId(std::string_view tool, const TemplateTraits& traits);
// Adds the reasoning to a message as JSON, where a template looks for it.
void SetReasoning(Json& message, ReasoningKey key, std::string reasoning);
// Text in the form of content that the template wants.
Json ProbeContent(std::string_view text, bool typed);

inline bool Shows(const std::optional<std::string>& text, std::string_view word) {
  return text && text->find(word) != std::string::npos;
}

}  // namespace infe::chat
