#include "upstream/chat_request.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "chat/custom_input.h"

namespace infe::upstream {
namespace {

using answer::Answered;
using answer::AnswerError;
using answer::ChatAsk;

// Under which WriteChatBody finds it and gives it the server's own name.
constexpr const char* kTokensMax = "max_tokens";

Json Object(std::initializer_list<std::pair<const char*, Json>> members) {
  Json object = Json::MakeObject();
  for (const auto& [name, value] : members) object.set(name, value);
  return object;
}

std::string_view Word(answer::Effort effort) {
  switch (effort) {
    case answer::Effort::kNone:
      return "none";
    case answer::Effort::kMinimal:
      return "minimal";
    case answer::Effort::kLow:
      return "low";
    case answer::Effort::kMedium:
      return "medium";
    case answer::Effort::kHigh:
      return "high";
    case answer::Effort::kXHigh:
      return "xhigh";
    case answer::Effort::kMax:
      return "max";
  }
  return "medium";
}

class Writer {
 public:
  Writer(const ChatAsk& ask, const UpstreamOptions& taker) : ask_(ask), taker_(taker) {}

  Answered<Json> Write() {
    WriteMessages();
    WriteTurn();
    WriteTools();
    WritePolicy();
    WriteFormat();
    WriteSampling();
    WriteScores();
    WriteThinking();
    body_.set("stream", true);
    body_.set("stream_options", Object({{"include_usage", true}}));
    if (refusal_) return *std::move(refusal_);
    return std::move(body_);
  }

 private:
  void Refuse(const answer::Origin& origin, std::string why) {
    if (!refusal_) refusal_ = answer::InvalidAt(origin, std::move(why));
  }
  // A field that OpenAI's API does not have.
  void Extend(std::string name, Json value, const answer::Origin& origin) {
    if (!taker_.extended)
      return Refuse(origin, fmt::format("The server that runs this model takes no '{}'.", name));
    body_.set(std::move(name), std::move(value));
  }

  const answer::Tool* FindTool(std::string_view name) const {
    const auto found = std::find_if(ask_.tools.begin(), ask_.tools.end(),
                                    [&](const answer::Tool& tool) { return tool.name == name; });
    return found == ask_.tools.end() ? nullptr : &*found;
  }

  Json ToWire(const chat::Message& message) const {
    Json wire = Json::MakeObject();
    wire.set("role", chat::Name(message.role));
    const bool only_calls = message.content.empty() && !message.tool_calls.empty();
    wire.set("content", only_calls ? Json() : Json(message.content));
    if (!message.name.empty()) wire.set("name", message.name);
    if (!message.tool_call_id.empty()) wire.set("tool_call_id", message.tool_call_id);
    if (!message.reasoning_content.empty() && taker_.extended)
      wire.set("reasoning_content", message.reasoning_content);
    if (message.tool_calls.empty()) return wire;
    Json& calls = wire.set("tool_calls", Json::MakeArray());
    for (const chat::ToolCall& call : message.tool_calls)
      calls.push_back(
          Object({{"id", call.id},
                  {"type", "function"},
                  {"function", Object({{"name", call.name}, {"arguments", call.arguments}})}}));
    return wire;
  }

  void WriteMessages() {
    Json& messages = body_.set("messages", Json::MakeArray());
    for (const chat::Message& message : ask_.messages) messages.push_back(ToWire(message));
  }

  void WriteTurn() {
    switch (ask_.turn) {
      case answer::Turn::kNext:
        return;
      case answer::Turn::kContinued:
        // Where there is nothing to go on with a turn begins, here as well.
        if (ask_.messages.back().content.find_first_not_of(" \t\r\n") == std::string::npos) return;
        Extend("continue_final_message", true, ask_.messages_origin);
        return Extend("add_generation_prompt", false, ask_.messages_origin);
      case answer::Turn::kNone:
        return Extend("add_generation_prompt", false, "add_generation_prompt");
    }
  }

  // A custom tool is a function with one text, which every server knows; so it is here as well when
  // a model on this machine reads it.
  static Json CustomParameters() {
    const std::string key(chat::kCustomInputKey);
    Json properties = Json::MakeObject();
    properties.set(key, Object({{"type", "string"}}));
    Json schema = Object({{"type", "object"}, {"properties", properties}});
    schema.set("required", Json(Json::Array{Json(key)}));
    schema.set("additionalProperties", false);
    return schema;
  }

  bool IsAllowed(const answer::Tool& tool) const {
    const auto& allowed = ask_.tool_policy.allowed;
    return !allowed || std::find(allowed->begin(), allowed->end(), tool.name) != allowed->end();
  }

  void WriteTools() {
    Json tools = Json::MakeArray();
    for (const answer::Tool& tool : ask_.tools) {
      // Naming the tools that may be called is not known everywhere; leaving the others out is.
      if (!IsAllowed(tool)) continue;
      const bool custom = tool.kind == answer::Tool::Kind::kCustom;
      if (custom && tool.input_syntax != answer::Tool::InputSyntax::kText)
        Refuse(tool.origin,
               "The server that runs this model cannot be told a grammar of a custom tool.");
      Json function = Object({{"name", tool.name}});
      if (!tool.description.empty()) function.set("description", tool.description);
      if (custom)
        function.set("parameters", CustomParameters());
      else if (!tool.parameters.is_null())
        function.set("parameters", tool.parameters);
      if (tool.strict) function.set("strict", true);
      tools.push_back(Object({{"type", "function"}, {"function", function}}));
    }
    has_tools_ = !tools.array().empty();
    if (has_tools_) body_.set("tools", std::move(tools));
  }

  void WritePolicy() {
    const answer::ToolPolicy& policy = ask_.tool_policy;
    if (!has_tools_) return;
    switch (policy.mode) {
      case answer::ToolPolicy::Mode::kNone:
        body_.set("tool_choice", "none");
        break;
      case answer::ToolPolicy::Mode::kAuto:
        break;
      case answer::ToolPolicy::Mode::kRequired:
        body_.set("tool_choice", "required");
        break;
      case answer::ToolPolicy::Mode::kNamed: {
        const std::string name =
            policy.allowed && !policy.allowed->empty() ? policy.allowed->front() : "";
        body_.set("tool_choice",
                  Object({{"type", "function"}, {"function", Object({{"name", name}})}}));
        break;
      }
    }
    if (policy.calls_max == 1) body_.set("parallel_tool_calls", false);
    if (policy.calls_max > 1)
      Refuse(ask_.tools_origin,
             "The server that runs this model cannot be told how many calls there may be.");
  }

  void WriteFormat() {
    const answer::Format& format = ask_.format;
    using Kind = answer::Format::Kind;
    switch (format.kind) {
      case Kind::kText:
        return;
      case Kind::kJsonObject:
        body_.set("response_format", Object({{"type", "json_object"}}));
        return;
      case Kind::kJsonSchema: {
        Json schema = Object(
            {{"name", format.name.empty() ? "answer" : format.name}, {"schema", format.schema}});
        if (format.strict) schema.set("strict", true);
        body_.set("response_format", Object({{"type", "json_schema"}, {"json_schema", schema}}));
        return;
      }
      case Kind::kRegex:
        return Extend("structured_outputs", Object({{"regex", format.text}}), format.origin);
      case Kind::kChoice: {
        Json list = Json::MakeArray();
        for (const std::string& choice : format.choices) list.push_back(choice);
        return Extend("structured_outputs", Object({{"choice", list}}), format.origin);
      }
      case Kind::kGrammar:
        return Extend("structured_outputs", Object({{"grammar", format.text}}), format.origin);
    }
  }

  void WriteSampling() {
    const answer::Sampling& s = ask_.sampling;
    if (ask_.tokens_max) body_.set(kTokensMax, *ask_.tokens_max);
    if (ask_.choices != 1) body_.set("n", static_cast<int64_t>(ask_.choices));
    if (s.temperature) body_.set("temperature", *s.temperature);
    if (s.top_p) body_.set("top_p", *s.top_p);
    if (s.top_k) Extend("top_k", *s.top_k, "top_k");
    if (s.min_p) Extend("min_p", *s.min_p, "min_p");
    if (s.repetition_penalty)
      Extend("repetition_penalty", *s.repetition_penalty, "repetition_penalty");
    if (s.presence_penalty != 0) body_.set("presence_penalty", s.presence_penalty);
    if (s.frequency_penalty != 0) body_.set("frequency_penalty", s.frequency_penalty);
    if (s.seed) body_.set("seed", *s.seed);
    WriteEnds(s);
    if (!s.logit_bias.empty()) {
      Json& bias = body_.set("logit_bias", Json::MakeObject());
      for (const answer::LogitBias& entry : s.logit_bias)
        bias.set(fmt::format("{}", entry.token), entry.bias);
    }
    if (ask_.prediction)
      body_.set("prediction", Object({{"type", "content"}, {"content", *ask_.prediction}}));
    if (ask_.truncation == answer::Truncation::kDropOldest)
      Extend("truncation", "auto", "truncation");
  }

  // By what it ends, besides the model's own end.
  void WriteEnds(const answer::Sampling& s) {
    if (s.ignore_eos) Extend("ignore_eos", true, "ignore_eos");
    if (!s.stops.empty()) {
      Json stops = Json::MakeArray();
      for (const std::string& stop : s.stops) stops.push_back(stop);
      body_.set("stop", std::move(stops));
    }
    if (s.stop_text == answer::StopText::kKept)
      Extend("include_stop_str_in_output", true, "include_stop_str_in_output");
    if (s.bounds.min > 0) Extend("min_tokens", s.bounds.min, "min_tokens");
    if (s.bounds.stops.empty()) return;
    Json tokens = Json::MakeArray();
    for (const int64_t token : s.bounds.stops) tokens.push_back(token);
    Extend("stop_token_ids", std::move(tokens), s.bounds.stops_origin);
  }

  void WriteScores() {
    if (!ask_.scores.tokens) return;
    body_.set("logprobs", true);
    if (ask_.scores.top > 0) body_.set("top_logprobs", static_cast<int64_t>(ask_.scores.top));
  }

  void WriteThinking() {
    const answer::Thinking& thinking = ask_.thinking;
    if (thinking.effort) body_.set("reasoning_effort", Word(*thinking.effort));
    Json arguments = ask_.template_arguments.values;
    const bool given = arguments.is_object() && !arguments.object().empty();
    // Effort says it already.
    const bool switched = thinking.on && !thinking.effort;
    if (switched) {
      if (!arguments.is_object()) arguments = Json::MakeObject();
      arguments.set("enable_thinking", *thinking.on);
    }
    if (given || switched)
      Extend("chat_template_kwargs", std::move(arguments),
             given ? ask_.template_arguments.origin : thinking.origin);
    if (thinking.tokens_max)
      Extend("thinking_token_budget", *thinking.tokens_max, thinking.tokens_max_origin);
  }

  const ChatAsk& ask_;
  const UpstreamOptions& taker_;
  Json body_ = Json::MakeObject();
  bool has_tools_ = false;
  std::optional<AnswerError> refusal_;
};

}  // namespace

answer::Answered<Json> ToChatBody(const answer::ChatAsk& ask, const UpstreamOptions& taker) {
  return Writer(ask, taker).Write();
}

std::string WriteChatBody(const Json& body, std::string_view model, const UpstreamOptions& to) {
  std::string out = "{\"model\":";
  AppendJsonString(out, model);
  for (const auto& [name, value] : body.object()) {
    out += ',';
    AppendJsonString(out, name == kTokensMax ? std::string_view(to.tokens_field) : name);
    out += ':';
    value.DumpTo(out);
  }
  return out + '}';
}

}  // namespace infe::upstream
