// infe render: the exact prompt text that a chat request becomes, by the same code as a server's.
#include <cstdint>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "answer/model_text.h"
#include "base/json.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/open_model.h"
#include "engine/loader.h"
#include "jinja/template.h"
#include "server/handlers/render_chat.h"

namespace infe::cli {
namespace {

struct Arguments {
  std::string model, template_file, data_dir;
  bool jsonl = false, raw = false;
  int64_t now = -1;
};

// From one request to its prompt.
using RenderOne = std::function<Result<std::string>(std::string_view text)>;

Result<std::string> ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return NotFound(fmt::format("cannot read {}", path));
  return std::string(std::istreambuf_iterator<char>(in), {});
}

struct Source {
  std::string text, bos, eos;
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer;  // null without --model
};

Result<Source> LoadSource(const Arguments& a) {
  Source source;
  if (!a.template_file.empty()) {
    INFE_ASSIGN(source.text, ReadFile(a.template_file));
    if (a.model.empty()) return source;
  }
  INFE_ASSIGN(const model::GgufFile file, OpenGguf(a.model, a.data_dir));
  if (a.template_file.empty()) {
    INFE_ASSIGN(source.text, engine::LoadChatTemplate(file));
  }
  INFE_ASSIGN(source.tokenizer, engine::LoadTokenizer(file));
  const tokenizer::Tokenizer& tokenizer = *source.tokenizer;
  if (tokenizer.bos()) source.bos = tokenizer.TokenText(*tokenizer.bos());
  if (tokenizer.eos()) source.eos = tokenizer.TokenText(*tokenizer.eos());
  return source;
}

// The prompt that a server of this model would make.
Result<RenderOne> RenderAsServer(const Arguments& a, const Source& source) {
  if (a.now >= 0) return InvalidArgument("--now is for --raw: a server takes its clock");
  INFE_ASSIGN(auto made,
              answer::MakeModelText({.name = a.model,
                                     .tokenizer = source.tokenizer,
                                     .chat_template = source.text,
                                     .bos_text = source.bos,
                                     .eos_text = source.eos,
                                     .end_tokens = {source.tokenizer->end_of_generation().begin(),
                                                    source.tokenizer->end_of_generation().end()}}));
  const auto model = std::make_shared<answer::ModelText>(std::move(made));
  model->context_max = UINT32_MAX;
  return RenderOne([model](std::string_view text) { return server::RenderChat(*model, text, {}); });
}

// The template alone, with the request's members as its variables.
Result<RenderOne> RenderRaw(const Arguments& a, const Source& source) {
  if (source.text.empty())
    return NotFound(fmt::format("{} has no chat template; give one with --template FILE", a.model));
  INFE_ASSIGN(auto made, jinja::Template::Compile(source.text));
  const std::shared_ptr<const jinja::Template> compiled = std::move(made);
  return RenderOne([compiled, source, now = a.now](std::string_view text) -> Result<std::string> {
    // The depth of a request body plus that of the schemas in its tools.
    INFE_ASSIGN(Json context, ParseJson(text, {.depth = 256}));
    if (!context.is_object()) return InvalidArgument("a chat request is a JSON object");
    if (context.find("bos_token") == nullptr && !source.bos.empty())
      context.set("bos_token", source.bos);
    if (context.find("eos_token") == nullptr && !source.eos.empty())
      context.set("eos_token", source.eos);
    jinja::RenderOptions options;
    if (now >= 0) options.now = static_cast<std::time_t>(now);
    INFE_ASSIGN(jinja::RenderedText rendered, compiled->Render(context, options));
    return std::move(rendered.text);
  });
}

Result<void> Render(const Arguments& a) {
  INFE_ASSIGN(const Source source, LoadSource(a));
  INFE_ASSIGN(const RenderOne render,
              a.raw || a.model.empty() ? RenderRaw(a, source) : RenderAsServer(a, source));
  if (!a.jsonl) {
    const std::string text(std::istreambuf_iterator<char>(std::cin), {});
    INFE_ASSIGN(const std::string prompt, render(text));
    std::cout << prompt;
    std::cout.flush();
    return {};
  }
  std::string line;
  while (std::getline(std::cin, line)) {
    if (line.empty()) continue;
    auto prompt = render(line);
    std::cout << (prompt ? Json(Json::Object{{"prompt", *prompt}})
                         : Json(Json::Object{{"error", prompt.error().message}}))
                     .Dump()
              << '\n';
  }
  std::cout.flush();
  return {};
}

}  // namespace

void AddRender(CommandLine& line) {
  static Arguments a;
  line.Add("render", "A chat request on stdin to the exact prompt text")
      .Option("--model", a.model, "Name or GGUF path whose template is used")
      .Option("--template", a.template_file, "A Jinja chat template, in place of the model's own")
      .Option("--data-dir", a.data_dir, "Where models and keys are kept")
      .Flag("--raw", a.raw,
            "The template alone, the request's members as its variables (always without --model)")
      .Option("--now", a.now, "With --raw: Unix time for strftime_now (default: the clock)")
      .Flag("--jsonl", a.jsonl, "JSON lines in; out {\"prompt\":..} or {\"error\":..} per line")
      .Run([] {
        if (a.model.empty() && a.template_file.empty())
          return FailUsage("which template? give --model NAME or --template FILE");
        auto done = Render(a);
        return done ? kExitDone : Fail(done.error());
      });
}

}  // namespace infe::cli
