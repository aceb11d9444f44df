#include "chat/prompt_renderer.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include <fmt/format.h>

#include "base/sha256.h"
#include "chat/fallback_template.h"
#include "chat/message_adapter.h"
#include "chat/spellings/spelling.h"
#include "chat/template_probe.h"
#include "chat/tool_prompt.h"

namespace infe::chat {
namespace {

std::string_view WithoutBlanks(std::string_view text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\n' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
}

// Some templates take ids of nine letters and digits only: a stable one is made of any other.
std::string ShortId(const std::string& id) {
  const bool fits = id.size() == 9 && std::all_of(id.begin(), id.end(), [](unsigned char c) {
                      return std::isalnum(c) != 0;
                    });
  if (fits) return id;
  Sha256 hash;
  hash.Update(id);
  return ToHex(hash.Finish()).substr(0, 9);
}

}  // namespace

using Created = Result<std::unique_ptr<const PromptRenderer>>;
Created PromptRenderer::Create(std::string_view template_source, ModelTokens tokens) {
  std::unique_ptr<PromptRenderer> renderer(new PromptRenderer());
  renderer->has_own_template_ = !template_source.empty();
  if (template_source.empty()) {
    FallbackTemplate fallback = ChooseFallbackTemplate(tokens.control);
    template_source = fallback.source;
    renderer->stop_texts_ = std::move(fallback.stop_texts);
  }
  INFE_ASSIGN(renderer->template_, jinja::Template::Compile(template_source));
  renderer->variables_ = Json::MakeObject();
  renderer->variables_.set("bos_token", tokens.bos);
  renderer->variables_.set("eos_token", tokens.eos);
  if (!tokens.unknown.empty()) renderer->variables_.set("unk_token", tokens.unknown);
  if (!tokens.padding.empty()) renderer->variables_.set("pad_token", tokens.padding);
  renderer->tokens_ = std::move(tokens);
  renderer->traits_ = ProbeTraits(*renderer->template_, renderer->variables_);
  renderer->tool_format_ =
      ProbeToolFormat(*renderer->template_, renderer->traits_, renderer->variables_)
          .value_or(HermesFormat());
  return std::unique_ptr<const PromptRenderer>(std::move(renderer));
}

Json PromptRenderer::CallJson(const ToolCall& call) const {
  Json arguments = call.arguments.empty() ? Json("{}") : Json(call.arguments);
  if (traits_.wants_object_arguments) {
    Result<Json> parsed =
        ParseJson(arguments.as_string(), {.depth = 100, .allow_duplicate_keys = true});
    if (parsed && parsed->is_object()) arguments = *std::move(parsed);
  }
  Json function = Json::MakeObject();
  function.set("name", call.name);
  function.set("arguments", std::move(arguments));
  Json out = Json::MakeObject();
  if (traits_.wants_short_ids) {
    out.set("id", ShortId(call.id));
  } else if (!call.id.empty()) {
    out.set("id", call.id);
  }
  out.set("type", "function");
  out.set("function", std::move(function));
  return out;
}

Json PromptRenderer::MessageJson(const Message& message) const {
  Json out = Json::MakeObject();
  out.set("role", Name(message.role));
  if (message.content.empty() && !message.tool_calls.empty() && traits_.wants_null_content) {
    out.set("content", Json());
  } else if (traits_.wants_typed_content) {
    Json part = Json::MakeObject();
    part.set("type", "text");
    part.set("text", message.content);
    out.set("content", Json::Array{std::move(part)});
  } else {
    out.set("content", message.content);
  }
  if (!message.name.empty()) out.set("name", message.name);
  if (!message.reasoning_content.empty())
    SetReasoning(out, traits_.reasoning_key, message.reasoning_content);
  if (!message.tool_calls.empty()) {
    Json calls = Json::MakeArray();
    for (const ToolCall& call : message.tool_calls) calls.push_back(CallJson(call));
    out.set("tool_calls", std::move(calls));
  }
  if (!message.tool_call_id.empty()) {
    out.set("tool_call_id",
            traits_.wants_short_ids ? ShortId(message.tool_call_id) : message.tool_call_id);
  }
  return out;
}

Json PromptRenderer::Context(const PromptRequest& request) const {
  const AdaptedMessages adapted = AdaptMessages(request, traits_, tool_format_);
  Json messages = Json::MakeArray();
  for (const Message& message : adapted.messages) messages.push_back(MessageJson(message));
  Json tools;
  if (adapted.passes_tools) {
    tools = Json::MakeArray();
    for (const ToolSpec& tool : request.tools) tools.push_back(ToolJson(tool));
  }
  Json context = variables_;
  context.set("messages", std::move(messages));
  context.set("tools", std::move(tools));
  context.set("documents", Json());
  context.set("add_generation_prompt", request.add_generation_prompt);
  if (request.thinking && !traits_.thinking_variable.empty())
    context.set(traits_.thinking_variable, *request.thinking);
  if (request.variables.is_object())
    for (const auto& [name, value] : request.variables.object()) {
      // A request must not name a special token: variables of such names count as the template's.
      if (!name.ends_with("_token") && name != "messages" && name != "tools")
        context.set(name, value);
    }
  return context;
}

ReasoningMode PromptRenderer::FindReasoning(const jinja::RenderedText& rendered,
                                            const PromptRequest& request) const {
  if (!request.add_generation_prompt) return ReasoningMode::kNone;
  const std::string_view text = WithoutBlanks(rendered.text);
  const ReasoningTags& tags = traits_.reasoning_tags;
  const bool is_templates = !rendered.trusted.empty() &&
                            rendered.trusted.back().end >= text.size() &&
                            rendered.trusted.back().begin + tags.begin.size() <= text.size();
  if (is_templates && text.ends_with(tags.begin)) return ReasoningMode::kOpen;
  if (is_templates && text.ends_with(tags.end)) return ReasoningMode::kNone;
  return traits_.has_reasoning ? ReasoningMode::kOptional : ReasoningMode::kNone;
}

Result<Prompt> PromptRenderer::Render(const PromptRequest& request) const {
  jinja::RenderOptions options;
  options.keep_number_text = true;
  Prompt prompt;
  INFE_ASSIGN(prompt.rendered, template_->Render(Context(request), options));
  const bool has_bos = !tokens_.bos.empty() && prompt.rendered.text.starts_with(tokens_.bos) &&
                       !prompt.rendered.trusted.empty() &&
                       prompt.rendered.trusted.front().begin == 0;
  prompt.add_bos = tokens_.adds_bos && !has_bos;
  prompt.reasoning = FindReasoning(prompt.rendered, request);
  return prompt;
}

OutputParserOptions PromptRenderer::ParserOptions(const Prompt& prompt,
                                                  std::vector<std::string> tool_names,
                                                  const std::vector<ToolSpec>& tools) const {
  OutputParserOptions options;
  if (!tool_names.empty()) {
    options.tools = tool_format_;
    auto& openings = options.bare_openings.emplace();
    options.types = ArgumentTypes(tools);
    if (tool_format_.is_object())
      for (const std::string& name : tool_names)
        for (BareOpening& opening : BareOpenings(tool_format_, name))
          openings.push_back(std::move(opening.text));
  }
  options.tool_names = std::move(tool_names);
  options.reasoning = prompt.reasoning;
  options.tags = traits_.reasoning_tags;
  options.is_harmony = traits_.is_harmony;
  return options;
}

std::string PromptRenderer::Describe() const {
  const auto flag = [](bool on, std::string_view name) {
    return on ? " " + std::string(name) : std::string();
  };
  return fmt::format(
      "template={}{}{}{}{}{}{}{} calls={} trigger='{}'", has_own_template_ ? "own" : "fallback",
      flag(traits_.takes_system, "system"), flag(traits_.takes_tools, "tools"),
      flag(traits_.takes_tool_calls, "calls"), flag(traits_.takes_tool_role, "results"),
      flag(traits_.requires_alternation, "alternating"), flag(traits_.has_reasoning, "reasoning"),
      flag(!traits_.thinking_variable.empty(), "thinking-switch"),
      tool_format_.is_native ? "native" : "fallback",
      tool_format_.triggers.empty() ? "" : tool_format_.triggers.front());
}

}  // namespace infe::chat
