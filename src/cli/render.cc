// infe render: the exact prompt text that a template makes of a chat request.
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>

#include <fmt/format.h>

#include "base/json.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/open_model.h"
#include "engine/loader.h"
#include "jinja/template.h"

namespace infe::cli {
namespace {

struct Arguments {
  std::string model, template_file, data_dir;
  bool jsonl = false;
  int64_t now = -1;
};

struct Source {
  std::string text, bos, eos;
};

Result<Source> LoadSource(const Arguments& a) {
  Source source;
  if (!a.template_file.empty()) {
    std::ifstream in(a.template_file, std::ios::binary);
    if (!in) return NotFound(fmt::format("cannot read {}", a.template_file));
    source.text.assign(std::istreambuf_iterator<char>(in), {});
    if (a.model.empty()) return source;
  }
  INFE_ASSIGN(const model::GgufFile file, OpenGguf(a.model, a.data_dir));
  if (a.template_file.empty()) {
    INFE_ASSIGN(source.text, engine::LoadChatTemplate(file));
  }
  if (source.text.empty())
    return NotFound(fmt::format("{} has no chat template; give one with --template FILE", a.model));
  INFE_ASSIGN(const auto tokenizer, engine::LoadTokenizer(file));
  if (tokenizer->bos()) source.bos = tokenizer->TokenText(*tokenizer->bos());
  if (tokenizer->eos()) source.eos = tokenizer->TokenText(*tokenizer->eos());
  return source;
}

Result<std::string> RenderOne(const jinja::Template& compiled, const Source& source,
                              std::string_view text, const Arguments& a) {
  // The depth of a request body plus that of the schemas in its tools.
  INFE_ASSIGN(Json context, ParseJson(text, {.depth = 256}));
  if (!context.is_object()) return InvalidArgument("a chat request is a JSON object");
  if (context.find("bos_token") == nullptr && !source.bos.empty())
    context.set("bos_token", source.bos);
  if (context.find("eos_token") == nullptr && !source.eos.empty())
    context.set("eos_token", source.eos);
  jinja::RenderOptions options;
  if (a.now >= 0) options.now = static_cast<std::time_t>(a.now);
  INFE_ASSIGN(jinja::RenderedText rendered, compiled.Render(context, options));
  return std::move(rendered.text);
}

Result<void> Render(const Arguments& a) {
  INFE_ASSIGN(const Source source, LoadSource(a));
  INFE_ASSIGN(const auto compiled, jinja::Template::Compile(source.text));
  if (!a.jsonl) {
    const std::string text(std::istreambuf_iterator<char>(std::cin), {});
    INFE_ASSIGN(const std::string prompt, RenderOne(*compiled, source, text, a));
    std::cout << prompt;
    std::cout.flush();
    return {};
  }
  std::string line;
  while (std::getline(std::cin, line)) {
    if (line.empty()) continue;
    auto prompt = RenderOne(*compiled, source, line, a);
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
      .Option("--template", a.template_file,
              "A Jinja chat template; with --model, that model's bos_token and eos_token")
      .Option("--data-dir", a.data_dir, "Where models and keys are kept")
      .Option("--now", a.now, "Unix time for strftime_now (default: the clock)")
      .Flag("--jsonl", a.jsonl, "JSON lines in; out {\"prompt\":..} or {\"error\":..} per line")
      .Run([] {
        if (a.model.empty() && a.template_file.empty())
          return FailUsage("which template? give --model NAME or --template FILE");
        auto done = Render(a);
        return done ? kExitDone : Fail(done.error());
      });
}

}  // namespace infe::cli
