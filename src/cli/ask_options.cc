#include "cli/ask_options.h"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "cli/open_model.h"
#include "cli/progress_bar.h"
#include "kernels/table.h"
#include "model/gguf.h"
#include "server/models/load_model.h"

namespace infe::cli {
namespace {

// More bytes than the largest context has tokens, by far.
constexpr size_t kPromptBytesMax = size_t{64} << 20;

// More than any schema that is compiled has.
constexpr size_t kSchemaBytesMax = size_t{16} << 20;

// What was asked for, or the model's own context where that is less.
Result<uint32_t> ContextFor(const std::string& name, const AskOptions& options) {
  INFE_ASSIGN(const model::GgufFile file, OpenGguf(name, options.data_dir));
  INFE_ASSIGN(const std::string_view architecture, file.String("general.architecture", ""));
  INFE_ASSIGN(const uint64_t own, file.Unsigned(std::string(architecture) + ".context_length", 0));
  return own == 0 ? options.context
                  : static_cast<uint32_t>(std::min<uint64_t>(own, options.context));
}

// The schema itself, or a file that holds it.
Result<Json> ReadSchema(const std::string& given) {
  std::string text = given;
  if (!given.starts_with('{')) {
    std::ifstream in(given, std::ios::binary);  // a pipe as well, as <(...) is one
    if (!in) return NotFound(fmt::format("--json-schema: cannot read {}", given));
    text.resize(kSchemaBytesMax + 1);
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<size_t>(in.gcount()));
    if (text.size() > kSchemaBytesMax)
      return InvalidArgument(
          fmt::format("--json-schema: {} has more than {} bytes", given, kSchemaBytesMax));
  }
  auto schema = ParseJson(text, {.depth = 100});
  if (!schema) return InvalidArgument("--json-schema: " + schema.error().message);
  if (!schema->is_object()) return InvalidArgument("--json-schema: a schema is a JSON object");
  return schema;
}

}  // namespace

void AddAskOptions(Command& command, AskOptions& a) {
  command.Option("--model", a.named_model, "The same as MODEL")
      .Option("--system", a.system, "System message")
      .Option("--temperature", a.temperature, "0 to 2; 0 always takes the likeliest token")
      .Option("--top-p", a.top_p, "0 to 1")
      .Option("--min-p", a.min_p, "0 to 1")
      .Option("--top-k", a.top_k, "From 0; 0 is off")
      .Option("--repetition-penalty", a.repetition_penalty, "0.01 to 10")
      .Option("--seed", a.seed, "The same text again")
      .Option("--max-tokens", a.max_tokens, "Of each answer")
      .Option("--json-schema", a.json_schema, "Answers are JSON under this schema, or file of one")
      .Option("--image", a.images, "Refused: no model here reads images")
      .Option("--chat-template", a.chat_template, "A Jinja file in place of the model's template")
      .Option("--threads", a.threads, "Compute threads; 0: all that this process may use")
      .Option("--context", a.context, "Positions to keep, at most the model's own")
      .Option("--data-dir", a.data_dir, "Where models and keys are kept");
}

Result<std::optional<Json>> CheckAskOptions(const AskOptions& options) {
  if (!options.images.empty())
    return InvalidArgument(
        fmt::format("--image {}: infe's models read text alone. Describe the picture in words, or "
                    "give its text, as an OCR program reads it",
                    options.images.front()));
  if (options.json_schema.empty()) return std::optional<Json>();
  INFE_ASSIGN(Json schema, ReadSchema(options.json_schema));
  return std::optional<Json>(std::move(schema));
}

Result<std::shared_ptr<server::ServedModel>> LoadToAsk(const std::string& name,
                                                       const AskOptions& options,
                                                       ThreadPool& pool) {
  INFE_ASSIGN(const FoundModel found, FindModel(name, options.data_dir));
  ProgressBar bar(name, !TakesEscapes(STDERR_FILENO));
  store::HashOptions hash;
  hash.cancelled = Interrupted;
  hash.on_progress = [&](uint64_t done, uint64_t total) { bar.Show("checking", done, total); };
  INFE_ASSIGN(store::ModelFile file, OpenModelFile(found, hash));
  server::ServerConfig config;
  config.max_batch = 1;
  INFE_ASSIGN(config.context, ContextFor(name, options));
  config.packed_cache = false;
  config.chat_template = options.chat_template;
  server::LoadFrame frame{.config = config, .pool = pool, .kernels = kernels::SelectKernels()};
  frame.watch.on_progress = [&](double fraction) { bar.ShowPart("loading", fraction); };
  return server::LoadServedModel(found.installed, std::move(file), std::move(frame));
}

Result<void> Apply(const AskOptions& a, std::optional<Json> schema, Conversation& conversation) {
  for (const auto& [name, value] :
       {std::pair<const char*, const std::string&>{"temperature", a.temperature},
        {"top_p", a.top_p},
        {"min_p", a.min_p},
        {"top_k", a.top_k},
        {"repetition_penalty", a.repetition_penalty},
        {"seed", a.seed},
        {"max_tokens", a.max_tokens}})
    if (!value.empty()) INFE_TRY(conversation.Set(name, value));
  if (schema) conversation.SetSchema(*std::move(schema));
  return {};
}

Result<std::string> ReadPrompt() {
  std::string text;
  char buffer[65536];
  while (std::cin.read(buffer, sizeof buffer), std::cin.gcount() > 0) {
    text.append(buffer, static_cast<size_t>(std::cin.gcount()));
    if (text.size() > kPromptBytesMax)
      return ResourceExhausted(
          fmt::format("the text on stdin has more than {} bytes", kPromptBytesMax));
  }
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

AnswerPrinter::AnswerPrinter(Thoughts thoughts)
    : thoughts_(thoughts), on_terminal_(isatty(STDOUT_FILENO) != 0), style_(STDOUT_FILENO) {}

void AnswerPrinter::OnText(std::string_view text) {
  if (thinks_ && !text.empty()) {
    std::cout << "\n\n";
    thinks_ = false;
  }
  // What a model writes may be anything; a file gets it as it is.
  if (on_terminal_)
    std::cout << Printable(text) << std::flush;
  else
    std::cout << text << std::flush;
}

void AnswerPrinter::OnReasoning(std::string_view text) {
  if (thoughts_ == Thoughts::kLeftOut || text.empty()) return;
  // Where it cannot look different, it must say what it is.
  if (!thinks_ && !style_.colours()) std::cout << "(thinking) ";
  thinks_ = true;
  std::cout << style_.In(Tone::kDim, Printable(text)) << std::flush;
}

void AnswerPrinter::End() {
  thinks_ = false;
  std::cout << '\n' << std::flush;
}

std::string SpeedLine(const answer::Totals& totals, const TerminalStyle& style) {
  const auto number = [&](double value) {
    return style.In(Tone::kNumber, fmt::format("{:.0f}", value));
  };
  std::string line = fmt::format("[{} tokens", number(totals.completion_tokens));
  if (totals.cached_tokens > 0)
    line += fmt::format(", {} of {} of the prompt cached", number(totals.cached_tokens),
                        number(totals.prompt_tokens));
  line += fmt::format(", first after {} ms", number(totals.timings.ttft_ms));
  // The first token comes of the prompt: it takes two to measure by.
  if (totals.timings.decode_ms > 0)
    line += fmt::format(", {} tokens/s",
                        number(totals.completion_tokens / totals.timings.decode_ms * 1000));
  return line + "]";
}

std::string Told(const answer::AnswerError& error) {
  return error.error.message;
}

}  // namespace infe::cli
