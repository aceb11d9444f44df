// infe embed: vectors of texts, in process: no server, no key. Texts come from the command line, a
// file or stdin, and go to the model some hundred at a time, so that a file may be of any length.
#include <charconv>
#include <chrono>
#include <fstream>
#include <iostream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "answer/backend.h"
#include "base/cpu_features.h"
#include "base/json.h"
#include "base/thread_pool.h"
#include "base/utf8.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/open_model.h"
#include "cli/terminal_executor.h"
#include "server/models/load_model.h"

namespace infe::cli {
namespace {

// Texts of one ask: enough to fill the model's steps; their vectors are printed together.
constexpr size_t kTextsAtOnce = 256;

struct Arguments {
  std::string model, file, input_type, data_dir;
  std::vector<std::string> texts;
  uint32_t dimensions = 0, threads = 0;
  bool jsonl = false, plain = false;
};

Result<answer::TextRole> ReadRole(const std::string& name) {
  if (name.empty()) return answer::TextRole::kPlain;
  if (name == "query") return answer::TextRole::kQuery;
  if (name == "document") return answer::TextRole::kDocument;
  return InvalidArgument(fmt::format("--input-type is query or document, not {}", name));
}

// The text of one line, which errors call by its number.
Result<std::string> ReadLine(std::string line, size_t number, const Arguments& a) {
  if (line.ends_with('\r')) line.pop_back();
  if (a.jsonl) {
    auto json = ParseJson(line);
    if (!json) return InvalidArgument(fmt::format("line {}: {}", number, json.error().message));
    const Json* text = json->find("text");
    if (text == nullptr || !text->is_string())
      return InvalidArgument(fmt::format("line {}: expected {{\"text\":\"...\"}}", number));
    line = text->as_string();
  }
  if (line.empty()) return InvalidArgument(fmt::format("line {}: there is no text", number));
  if (!IsValidUtf8(line)) return InvalidArgument(fmt::format("line {} is not UTF-8", number));
  return line;
}

class Embedder {
 public:
  Embedder(std::shared_ptr<server::ServedModel> model, const Arguments& a, answer::TextRole role)
      : model_(std::move(model)), arguments_(a), role_(role) {}
  ~Embedder() {
    model_->backend().Stop();
    executor_->Clear();
  }
  Embedder(const Embedder&) = delete;
  Embedder& operator=(const Embedder&) = delete;

  // Prints when there are enough of them.
  Result<void> Take(std::string text) {
    texts_.emplace_back(std::move(text));
    return texts_.size() < kTextsAtOnce ? Result<void>() : Flush();
  }
  Result<void> Flush() {
    if (texts_.empty()) return {};
    answer::EmbedAsk ask;
    ask.texts = std::exchange(texts_, {});
    ask.texts_origin = "text";
    ask.role = role_;
    if (arguments_.dimensions > 0) ask.dimensions = arguments_.dimensions;
    auto prepared = model_->backend().PrepareEmbedding(std::move(ask));
    if (!prepared) return Told(prepared.error());
    std::optional<answer::Answered<answer::Embeddings>> made;
    auto running = (*prepared)->Start(
        executor_, [&made](answer::Answered<answer::Embeddings> got) { made = std::move(got); });
    if (!running) return Told(running.error());
    while (!made && !Interrupted()) executor_->RunOne(std::chrono::milliseconds(50));
    (*running)->Abandon();  // after its end: nothing
    if (!made) return Error{ErrorCode::kCancelled, "interrupted", {}};
    if (!*made) return Told(made->error());
    for (const std::vector<float>& vector : (*made)->vectors) Print(vector);
    std::cout.flush();
    return {};
  }

 private:
  // Texts are counted from 1 over all of the input; an error's place is one within the last ask.
  Error Told(const answer::AnswerError& error) const {
    if (error.kind != answer::AnswerError::Kind::kTooLong) return error.error;
    const size_t bracket = error.origin.find('[');
    size_t index = 0;
    if (bracket != std::string::npos)
      std::from_chars(&error.origin[bracket + 1], error.origin.data() + error.origin.size(), index);
    return InvalidArgument(fmt::format("text {} has {} tokens; the model reads at most {}",
                                       printed_ + index + 1, error.overrun.prompt,
                                       error.overrun.context_max));
  }
  void Print(const std::vector<float>& vector) {
    std::string line =
        arguments_.plain ? "" : fmt::format("{{\"index\":{},\"embedding\":[", printed_);
    for (size_t i = 0; i < vector.size(); ++i)
      line += fmt::format("{}{}", i == 0 ? "" : arguments_.plain ? " " : ",", vector[i]);
    line += arguments_.plain ? "\n" : "]}\n";
    std::cout << line;
    ++printed_;
  }

  std::shared_ptr<server::ServedModel> model_;
  const Arguments& arguments_;
  const answer::TextRole role_;
  const std::shared_ptr<TerminalExecutor> executor_ = std::make_shared<TerminalExecutor>();
  std::vector<answer::TextPrompt> texts_;
  size_t printed_ = 0;
};

Result<void> EmbedLines(std::istream& in, const Arguments& a, Embedder& embedder) {
  std::string line;
  for (size_t number = 1; std::getline(in, line) && !Interrupted(); ++number) {
    INFE_ASSIGN(std::string text, ReadLine(std::move(line), number, a));
    INFE_TRY(embedder.Take(std::move(text)));
  }
  return embedder.Flush();
}

Result<void> EmbedAll(const Arguments& a, Embedder& embedder) {
  for (const std::string& text : a.texts) {
    if (text.empty()) return InvalidArgument("a text is empty");
    INFE_TRY(embedder.Take(text));
  }
  if (!a.texts.empty()) return embedder.Flush();
  if (a.file.empty()) return EmbedLines(std::cin, a, embedder);
  std::ifstream in(a.file, std::ios::binary);
  if (!in) return NotFound(fmt::format("cannot read {}", a.file));
  return EmbedLines(in, a, embedder);
}

Result<void> Embed(const Arguments& a) {
  INFE_ASSIGN(const answer::TextRole role, ReadRole(a.input_type));
  INFE_ASSIGN(const FoundModel found, FindModel(a.model, a.data_dir));
  INFE_ASSIGN(store::ModelFile file, OpenModelFile(found));
  ThreadPool pool(a.threads != 0 ? a.threads : GetCpuFeatures().cores_allowed);
  server::ServerConfig config;
  config.packed_cache = false;
  INFE_ASSIGN(std::shared_ptr<server::ServedModel> model,
              server::LoadServedModel(
                  found.installed, std::move(file),
                  {.config = config, .pool = pool, .kernels = kernels::SelectKernels()}));
  WatchInterrupts();
  Embedder embedder(std::move(model), a, role);
  return EmbedAll(a, embedder);
}

}  // namespace

void AddEmbed(CommandLine& line) {
  static Arguments a;
  line.Add("embed", "Vectors of texts: of arguments, or of the lines of a file or of stdin")
      .Argument("MODEL", a.model, "Name or GGUF path of a model of embeddings", true)
      .Arguments("TEXT", a.texts, "Texts; without any, lines are read", false)
      .Option("--file", a.file, "Read the lines of this file rather than stdin")
      .Flag("--jsonl", a.jsonl, "Lines are {\"text\":\"...\"}, for texts of several lines")
      .Option("--input-type", a.input_type,
              "query or document: the model's prefix for it is put before each text")
      .Option("--dimensions", a.dimensions, "Of each vector, where the model was made to be cut")
      .Flag("--plain", a.plain, "Print numbers with spaces between them rather than JSON lines")
      .Option("--threads", a.threads, "Compute threads; 0: all that this process may use")
      .Option("--data-dir", a.data_dir, "Where models and keys are kept")
      .Footer(
          "Prints {\"index\":0,\"embedding\":[...]} for each text, in their order.\n"
          "Example: infe embed infe-vector --file texts.txt > vectors.jsonl")
      .Run([] {
        if (!a.texts.empty() && !a.file.empty()) return FailUsage("texts or --file, not both");
        const auto done = Embed(a);
        if (done) return kExitDone;
        return Interrupted() ? kExitInterrupted : Fail(done.error());
      });
}

}  // namespace infe::cli
