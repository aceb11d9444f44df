// infe parse: a model's text to content, reasoning and tool calls, as the server reads answers.
#include <iostream>

#include <fmt/format.h>

#include "base/json.h"
#include "chat/output_parser.h"
#include "chat/prompt_renderer.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/open_model.h"
#include "engine/loader.h"

namespace infe::cli {
namespace {

struct Arguments {
  std::string model, format, data_dir;
};

Result<chat::ToolFormat> FindFormat(const Arguments& a) {
  if (!a.format.empty()) {
    if (a.format != "hermes")
      return NotFound(fmt::format("no tool format is called {}; known: hermes", a.format));
    return chat::HermesFormat();
  }
  INFE_ASSIGN(const model::GgufFile file, OpenGguf(a.model, a.data_dir));
  INFE_ASSIGN(const std::string text, engine::LoadChatTemplate(file));
  INFE_ASSIGN(const auto renderer, chat::PromptRenderer::Create(text, {}));
  return renderer->tool_format();
}

// Names of {"function": {"name"}} or {"name"} entries.
std::vector<std::string> ToolNames(const Json* tools) {
  std::vector<std::string> names;
  if (tools == nullptr || !tools->is_array()) return names;
  for (const Json& tool : tools->array()) {
    const Json* function = tool.find("function");
    const Json* name = (function != nullptr ? *function : tool).find("name");
    if (name != nullptr && name->is_string()) names.push_back(name->as_string());
  }
  return names;
}

Result<std::string> ParseLine(const chat::ToolFormat& format, const std::string& line) {
  INFE_ASSIGN(const Json json, ParseJson(line, {.depth = 256}));
  chat::OutputParserOptions options;
  options.tool_names = ToolNames(json.find("tools"));
  if (!options.tool_names.empty()) options.tools = format;
  options.reasoning = chat::ReasoningMode::kOptional;
  chat::OutputParser parser(options);
  std::vector<chat::OutputEvent> events;
  const auto take = [&](std::vector<chat::OutputEvent> more) {
    for (chat::OutputEvent& event : more) events.push_back(std::move(event));
  };
  if (const Json* text = json.find("text"); text != nullptr && text->is_string()) {
    take(parser.Feed(text->as_string()));
  } else if (const Json* pieces = json.find("pieces"); pieces != nullptr && pieces->is_array()) {
    for (const Json& piece : pieces->array())
      if (piece.is_string()) take(parser.Feed(piece.as_string()));
  } else {
    return InvalidArgument("expected \"text\" or \"pieces\"");
  }
  take(parser.Finish());

  std::string content, reasoning;
  Json calls = Json::MakeArray();
  for (const chat::OutputEvent& event : events) {
    switch (event.kind) {
      case chat::OutputEvent::Kind::kContent:
        content += event.text;
        break;
      case chat::OutputEvent::Kind::kReasoning:
        reasoning += event.text;
        break;
      case chat::OutputEvent::Kind::kCallBegin:
        calls.push_back(Json::Object{{"name", event.text}, {"arguments", ""}});
        break;
      case chat::OutputEvent::Kind::kCallArguments: {
        Json& call = calls.array().back();
        call.set("arguments", call.find("arguments")->as_string() + event.text);
        break;
      }
      case chat::OutputEvent::Kind::kCallEnd:
        break;
    }
  }
  const bool only_calls = content.empty() && !calls.array().empty();
  return Json(Json::Object{{"content", only_calls ? Json() : Json(content)},
                           {"reasoning_content", reasoning.empty() ? Json() : Json(reasoning)},
                           {"tool_calls", std::move(calls)}})
      .Dump();
}

Result<void> Run(const Arguments& a) {
  INFE_ASSIGN(const chat::ToolFormat format, FindFormat(a));
  std::string line;
  for (int number = 1; std::getline(std::cin, line); ++number) {
    if (line.empty()) continue;
    auto parsed = ParseLine(format, line);
    if (!parsed) return InvalidArgument(fmt::format("line {}: {}", number, parsed.error().message));
    std::cout << *parsed << '\n';
  }
  std::cout.flush();
  return {};
}

}  // namespace

void AddParse(CommandLine& line) {
  static Arguments a;
  line.Add("parse", "Read model output as content, reasoning and tool calls: JSON lines in and out")
      .Option("--model", a.model, "Name or GGUF path whose tool format is used")
      .Option("--format", a.format, "hermes, instead of a model's")
      .Option("--data-dir", a.data_dir, "Where models and keys are kept")
      .Footer(
          "In:  {\"tools\": [...], \"text\": \"...\"} or {\"tools\", \"pieces\": [\"...\", ...]}\n"
          "Out: {\"content\", \"reasoning_content\", \"tool_calls\": [{\"name\", \"arguments\"}]}")
      .Run([] {
        if (a.model.empty() == a.format.empty())
          return Fail(InvalidArgument("give --model NAME or --format hermes"));
        auto done = Run(a);
        return done ? kExitDone : Fail(done.error());
      });
}

}  // namespace infe::cli
