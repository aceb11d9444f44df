// infe chat: a conversation in the terminal, in process: no server, no key. With input from a pipe
// the whole of it is one prompt and the answer is all that is printed.
#include <charconv>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "answer/backend.h"
#include "answer/grammar_source.h"
#include "base/cpu_features.h"
#include "base/thread_pool.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/open_model.h"
#include "cli/terminal_executor.h"
#include "model/gguf.h"
#include "server/models/load_model.h"

namespace infe::cli {
namespace {

struct Arguments {
  std::string model = "infe-pulse";
  std::string named_model;  // --model, where scripts expect it
  std::string data_dir, system, json_schema, chat_template;
  // As /set takes them; "" where nothing is said.
  std::string temperature, top_p, min_p, top_k, repetition_penalty, seed, max_tokens;
  uint32_t threads = 0;
  uint32_t context = 8192;
};

// What became of one answer. The terminal's thread.
struct Outcome {
  std::string text;  // without its reasoning
  std::optional<answer::Totals> totals;
  std::optional<answer::AnswerError> error;
  bool is_over() const { return totals || error; }
};

// Whether what the model thinks before it answers is shown: to people, not to pipes.
enum class ShowReasoning { kNo, kDim };

class Printer : public answer::Consumer {
 public:
  // outcome outlives it.
  Printer(Outcome& outcome, ShowReasoning reasoning) : outcome_(outcome), reasoning_(reasoning) {}
  void OnEvent(const answer::Event& event) override {
    if (const auto* text = std::get_if<answer::Text>(&event.body)) {
      outcome_.text += text->text;
      std::cout << text->text << std::flush;
    } else if (const auto* thought = std::get_if<answer::Reasoning>(&event.body)) {
      if (reasoning_ == ShowReasoning::kDim)
        std::cout << "\x1b[2m" << thought->text << "\x1b[0m" << std::flush;
    } else if (const auto* done = std::get_if<answer::Done>(&event.body)) {
      outcome_.totals = done->totals;
    } else if (const auto* failed = std::get_if<answer::Failed>(&event.body)) {
      outcome_.error = failed->error;
    }
  }

 private:
  Outcome& outcome_;
  const ShowReasoning reasoning_;
};

chat::Message MakeMessage(chat::Role role, std::string text) {
  chat::Message message;
  message.role = role;
  message.content = std::move(text);
  return message;
}

// One sentence, and what the user may do about it.
std::string Told(const answer::AnswerError& error) {
  const bool too_long = error.kind == answer::AnswerError::Kind::kTooLong;
  return error.error.message + (too_long ? " /reset starts anew." : "");
}

class Conversation {
 public:
  Conversation(std::shared_ptr<server::ServedModel> model, std::string system)
      : model_(std::move(model)), system_(std::move(system)) {
    Reset();
  }

  // What an answer that was cut has still posted holds the executor itself.
  ~Conversation() {
    model_->backend().Stop();
    executor_->Clear();
  }
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;

  void Reset() {
    ask_.messages.clear();
    if (!system_.empty()) ask_.messages.push_back(MakeMessage(chat::Role::kSystem, system_));
  }
  void SetSystem(std::string text) {
    system_ = std::move(text);
    Reset();
  }
  // Every answer is JSON under this schema.
  void SetSchema(Json schema) {
    ask_.format = {.kind = answer::Format::Kind::kJsonSchema,
                   .schema = std::move(schema),
                   .origin = "--json-schema"};
  }
  // "temperature 0.2" and the like; false with a message on stderr.
  bool Set(const std::string& name, const std::string& value);

  // Streams the answer to stdout. False if it could not be given, or Ctrl-C cut it; what was said
  // until then stays in the conversation.
  bool Ask(const std::string& text, bool with_statistics);

 private:
  // Until the answer is over or Ctrl-C cuts it.
  answer::Answered<Outcome> Answer(ShowReasoning reasoning);

  std::shared_ptr<server::ServedModel> model_;
  std::string system_;
  answer::ChatAsk ask_;
  answer::GrammarCache grammars_{1, 64 << 20};  // a conversation has one format, or none
  const std::shared_ptr<TerminalExecutor> executor_ = std::make_shared<TerminalExecutor>();
};

bool Conversation::Set(const std::string& name, const std::string& value) {
  double number = 0;
  const auto [end, ec] = std::from_chars(value.data(), value.data() + value.size(), number);
  const bool is_number = ec == std::errc() && end == value.data() + value.size();
  const bool is_integer = is_number && number == std::floor(number);
  answer::Sampling& sampling = ask_.sampling;
  const auto in = [&](double low, double high) {
    return is_number && number >= low && number <= high;
  };
  if (name == "temperature" && in(0, 2)) {
    sampling.temperature = number;
  } else if (name == "top_p" && in(0, 1)) {
    sampling.top_p = number;
  } else if (name == "min_p" && in(0, 1)) {
    sampling.min_p = number;
  } else if (name == "top_k" && is_integer && in(0, 1e6)) {
    sampling.top_k = static_cast<int64_t>(number);
  } else if (name == "repetition_penalty" && in(0.01, 10)) {
    sampling.repetition_penalty = number;
  } else if (name == "seed" && is_integer && in(0, 9007199254740992.0)) {
    sampling.seed = static_cast<uint64_t>(number);
  } else if (name == "max_tokens" && is_integer && in(1, 1e9)) {
    ask_.tokens_max = static_cast<int64_t>(number);
  } else {
    fmt::print(stderr,
               "cannot set {} to \"{}\": known are temperature 0..2, top_p 0..1, min_p 0..1, "
               "top_k >= 0, repetition_penalty 0.01..10, seed >= 0, max_tokens >= 1\n",
               name, value);
    return false;
  }
  return true;
}

answer::Answered<Outcome> Conversation::Answer(ShowReasoning reasoning) {
  ask_.caller.arrival = std::chrono::steady_clock::now();
  auto prepared = model_->backend().Prepare(ask_, {});
  if (!prepared) return std::move(prepared).error();
  answer::GrammarSource source(grammars_, answer::GrammarSource::Mode::kCompile);
  if (auto compiled = (*prepared)->Compile(source); !compiled) return compiled.error();
  Outcome outcome;
  auto running = (*prepared)->Start(executor_, [&]() -> std::unique_ptr<answer::Consumer> {
    return std::make_unique<Printer>(outcome, reasoning);
  });
  if (!running) return std::move(running).error();
  while (!outcome.is_over() && !Interrupted()) executor_->RunOne(std::chrono::milliseconds(50));
  (*running)->Abandon();  // after its end: nothing
  return outcome;
}

bool Conversation::Ask(const std::string& text, bool with_statistics) {
  ask_.messages.push_back(MakeMessage(chat::Role::kUser, text));
  const auto refuse = [&](const answer::AnswerError& error) {
    ask_.messages.pop_back();
    fmt::print(stderr, "infe: {}\n", Told(error));
    return false;
  };
  const bool dim = with_statistics && isatty(STDOUT_FILENO) != 0;
  const auto answered = Answer(dim ? ShowReasoning::kDim : ShowReasoning::kNo);
  if (!answered) return refuse(answered.error());
  std::cout << '\n' << std::flush;
  if (answered->error) return refuse(*answered->error);
  if (with_statistics && answered->totals && answered->totals->timings.decode_ms > 0) {
    const answer::Totals& totals = *answered->totals;
    fmt::print(stderr, "[{} tokens, first after {:.0f} ms, {:.0f} tokens/s]\n",
               totals.completion_tokens, totals.timings.ttft_ms,
               totals.completion_tokens / totals.timings.decode_ms * 1000);
  }
  const bool cut = !answered->totals;
  if (answered->text.empty() && cut)
    ask_.messages.pop_back();  // as if it had not been asked
  else
    ask_.messages.push_back(MakeMessage(chat::Role::kAssistant, answered->text));
  return !cut;
}

constexpr const char* kHelp =
    "/help              this text\n"
    "/reset             forget the conversation\n"
    "/system TEXT       set the system message and start anew\n"
    "/set NAME VALUE    temperature, top_p, min_p, top_k, repetition_penalty, seed, max_tokens\n"
    "/bye               end (so does Ctrl-D; Ctrl-C stops an answer)\n";

// False: the user wants to leave.
bool Obey(Conversation& conversation, const std::string& line) {
  const size_t space = line.find(' ');
  const std::string command = line.substr(0, space);
  const std::string rest = space == std::string::npos ? "" : line.substr(space + 1);
  if (command == "/bye" || command == "/exit" || command == "/quit") return false;
  if (command == "/help") {
    std::cout << kHelp;
  } else if (command == "/reset") {
    conversation.Reset();
    std::cout << "The conversation is forgotten.\n";
  } else if (command == "/system") {
    conversation.SetSystem(rest);
    std::cout << (rest.empty() ? "No system message; the conversation starts anew.\n"
                               : "The conversation starts anew with this system message.\n");
  } else if (command == "/set") {
    const size_t end = rest.find(' ');
    const std::string value = end == std::string::npos ? "" : rest.substr(end + 1);
    if (conversation.Set(rest.substr(0, end), value))
      std::cout << rest.substr(0, end) << " is " << value << ".\n";
  } else {
    std::cout << "unknown command " << command << "; /help lists them\n";
  }
  return true;
}

void Talk(Conversation& conversation) {
  std::string line;
  for (;;) {
    std::cout << "> " << std::flush;
    // The terminal gives whole lines, so none waits in std::cin's own buffer.
    if (!WaitForInput(STDIN_FILENO) || !std::getline(std::cin, line)) {
      std::cout << '\n';
      if (!ForgetInterrupt()) return;  // the end of input, or SIGTERM
      // Ctrl-C at the prompt drops what was typed.
      std::cin.clear();
      std::clearerr(stdin);
      std::cout << "Ctrl-D or /bye ends.\n";
      continue;
    }
    if (line.empty()) continue;
    if (line[0] == '/') {
      if (!Obey(conversation, line)) return;
      continue;
    }
    conversation.Ask(line, true);
    if (Interrupted() && !ForgetInterrupt()) return;
  }
}

// What was asked for, or the model's own context where that is less.
Result<uint32_t> ContextFor(const std::string& name, const Arguments& a) {
  const uint32_t asked = a.context;
  INFE_ASSIGN(const model::GgufFile file, OpenGguf(name, a.data_dir));
  INFE_ASSIGN(const std::string_view architecture, file.String("general.architecture", ""));
  INFE_ASSIGN(const uint64_t own, file.Unsigned(std::string(architecture) + ".context_length", 0));
  return own == 0 ? asked : static_cast<uint32_t>(std::min<uint64_t>(own, asked));
}

// The schema itself, or a file that holds it.
Result<Json> ReadSchema(const std::string& given) {
  std::string text = given;
  if (!given.starts_with('{')) {
    std::ifstream in(given, std::ios::binary);
    if (!in) return NotFound(fmt::format("--json-schema: cannot read {}", given));
    text.assign(std::istreambuf_iterator<char>(in), {});
  }
  auto schema = ParseJson(text, {.depth = 100});
  if (!schema) return InvalidArgument("--json-schema: " + schema.error().message);
  if (!schema->is_object()) return InvalidArgument("--json-schema: a schema is a JSON object");
  return schema;
}

// The options that say how answers are made. False: a message is on stderr.
bool Prepare(Conversation& conversation, const Arguments& a) {
  for (const auto& [name, value] :
       {std::pair<const char*, const std::string&>{"temperature", a.temperature},
        {"top_p", a.top_p},
        {"min_p", a.min_p},
        {"top_k", a.top_k},
        {"repetition_penalty", a.repetition_penalty},
        {"seed", a.seed},
        {"max_tokens", a.max_tokens}})
    if (!value.empty() && !conversation.Set(name, value)) return false;
  return true;
}

int Chat(Arguments& a) {
  if (!a.named_model.empty()) a.model = a.named_model;
  std::optional<Json> schema;
  if (!a.json_schema.empty()) {
    auto read = ReadSchema(a.json_schema);
    if (!read) return Fail(read.error());
    schema = std::move(*read);
  }
  auto found = FindModel(a.model, a.data_dir);
  if (!found) return Fail(found.error());
  const auto context = ContextFor(a.model, a);
  if (!context) return Fail(context.error());
  auto file = OpenModelFile(*found);
  if (!file) return Fail(file.error());
  ThreadPool pool(a.threads != 0 ? a.threads : GetCpuFeatures().cores_allowed);
  server::ServerConfig config;
  config.max_batch = 1;
  config.context = *context;
  config.packed_cache = false;
  config.chat_template = a.chat_template;
  auto model = server::LoadServedModel(found->installed, std::move(*file), config, {}, pool,
                                       kernels::SelectKernels(), {});
  if (!model) return Fail(model.error());
  WatchInterrupts();
  Conversation conversation(std::move(*model), a.system);
  if (!Prepare(conversation, a)) return kExitUsage;
  if (schema) conversation.SetSchema(std::move(*schema));
  if (isatty(STDIN_FILENO) == 0) {
    std::string text(std::istreambuf_iterator<char>(std::cin), {});
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
    if (text.empty()) return Fail(InvalidArgument("the prompt on stdin is empty"));
    if (conversation.Ask(text, false)) return kExitDone;
    return Interrupted() ? kExitInterrupted : kExitFailed;
  }
  fmt::print("{}. /help lists the commands, Ctrl-D ends.\n", a.model);
  Talk(conversation);
  return kExitDone;
}

}  // namespace

void AddChat(CommandLine& line) {
  static Arguments a;
  line.Add("chat", "Talk to a model in the terminal; reads a pipe as one prompt")
      .Argument("MODEL", a.model, "Name or GGUF path", false)
      .Option("--model", a.named_model, "The same as MODEL")
      .Option("--system", a.system, "System message")
      .Option("--temperature", a.temperature, "0 to 2; 0 always takes the likeliest token")
      .Option("--top-p", a.top_p, "0 to 1")
      .Option("--min-p", a.min_p, "0 to 1")
      .Option("--top-k", a.top_k, "From 0; 0 is off")
      .Option("--repetition-penalty", a.repetition_penalty, "0.01 to 10")
      .Option("--seed", a.seed, "The same text again")
      .Option("--max-tokens", a.max_tokens, "Of each answer")
      .Option("--json-schema", a.json_schema, "Answers are JSON under this schema, or file of one")
      .Option("--chat-template", a.chat_template, "A Jinja file in place of the model's template")
      .Option("--threads", a.threads, "Compute threads; 0: all that this process may use")
      .Option("--context", a.context, "Positions to keep, at most the model's own")
      .Option("--data-dir", a.data_dir, "Where models and keys are kept")
      .Run([] { return Chat(a); });
}

}  // namespace infe::cli
