// infe chat: a conversation in the terminal, in process: no server, no key. With input from a pipe
// the whole of it is one prompt and the answer is all that is printed.
#include <charconv>
#include <cmath>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <iostream>
#include <iterator>
#include <mutex>
#include <optional>

#include <fmt/format.h>
#include <unistd.h>

#include "base/cpu_features.h"
#include "base/thread_pool.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/open_model.h"
#include "model/gguf.h"
#include "server/chat_prompt.h"
#include "server/choice_text.h"
#include "server/sampling.h"
#include "server/served_model.h"

namespace infe::cli {
namespace {

struct Arguments {
  std::string model = "infe-pulse";
  std::string data_dir, system;
  uint32_t threads = 0;
  uint32_t context = 8192;
};

// Events of the one request that runs, waited for by the terminal's thread.
class WaitingSink : public engine::TokenSink {
 public:
  void OnEvent(engine::TokenEvent event) override {
    {
      std::lock_guard lock(mutex_);
      events_.push_back(std::move(event));
    }
    ready_.notify_one();
  }
  std::optional<engine::TokenEvent> Wait(std::chrono::milliseconds limit) {
    std::unique_lock lock(mutex_);
    if (!ready_.wait_for(lock, limit, [this] { return !events_.empty(); })) return std::nullopt;
    engine::TokenEvent event = std::move(events_.front());
    events_.pop_front();
    return event;
  }

 private:
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<engine::TokenEvent> events_;
};

api::Message MakeMessage(api::Role role, std::string text) {
  api::Message message;
  message.role = role;
  message.has_content = true;
  message.content.push_back({api::ContentPart::Kind::kText, std::move(text)});
  return message;
}

class Conversation {
 public:
  Conversation(std::shared_ptr<server::ServedModel> model, std::string system)
      : model_(std::move(model)), system_(std::move(system)) {
    Reset();
  }

  void Reset() {
    request_.messages.clear();
    if (!system_.empty()) request_.messages.push_back(MakeMessage(api::Role::kSystem, system_));
  }
  void SetSystem(std::string text) {
    system_ = std::move(text);
    Reset();
  }
  // "temperature 0.2" and the like; false with a message on stderr.
  bool Set(const std::string& name, const std::string& value);

  // Streams the answer to stdout. False if it could not be given, or Ctrl-C cut it; what was said
  // until then stays in the conversation.
  bool Ask(const std::string& text, bool with_statistics);

 private:
  std::shared_ptr<server::ServedModel> model_;
  std::string system_;
  api::ChatCompletionRequest request_;
  engine::RequestId next_id_ = 1;
};

bool Conversation::Set(const std::string& name, const std::string& value) {
  double number = 0;
  const auto [end, ec] = std::from_chars(value.data(), value.data() + value.size(), number);
  const bool is_number = ec == std::errc() && end == value.data() + value.size();
  const bool is_integer = is_number && number == std::floor(number);
  api::Sampling& sampling = request_.sampling;
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
    sampling.seed = static_cast<int64_t>(number);
  } else if (name == "max_tokens" && is_integer && in(1, 1e9)) {
    request_.max_tokens = static_cast<int64_t>(number);
  } else {
    fmt::print(stderr,
               "cannot set {} to \"{}\": known are temperature 0..2, top_p 0..1, min_p 0..1, "
               "top_k >= 0, repetition_penalty 0.01..10, seed >= 0, max_tokens >= 1\n",
               name, value);
    return false;
  }
  return true;
}

bool Conversation::Ask(const std::string& text, bool with_statistics) {
  request_.messages.push_back(MakeMessage(api::Role::kUser, text));
  const auto refuse = [&](const std::string& why) {
    request_.messages.pop_back();
    fmt::print(stderr, "infe: {}\n", why);
    return false;
  };
  auto prompt = server::BuildChatPrompt(*model_, request_);
  if (!prompt) return refuse(prompt.error().message);
  const auto budget = server::TokenBudget(*model_, prompt->tokens.size(), request_.max_tokens);
  if (!budget) return refuse(budget.error().message + " /reset starts anew.");
  const server::Caller caller;
  auto request = server::MakeEngineRequest(*model_, caller, request_.sampling,
                                           server::ResolveSeed(request_.sampling));
  if (!request) return refuse(request.error().message);
  const auto sink = std::make_shared<WaitingSink>();
  const engine::RequestId id = next_id_++;
  request->id = id;
  request->max_tokens = *budget;
  request->deadline = std::chrono::steady_clock::time_point::max();
  server::ChoiceText answer(model_->tokenizer(), prompt->tokens.back(), {}, false);
  request->prompt = std::move(prompt->tokens);
  request->sink = sink;
  if (auto submitted = model_->engine().Submit(std::move(*request)); !submitted)
    return refuse(submitted.error().message);

  std::string whole;
  const auto show = [&](const std::string& piece) {
    whole += piece;
    std::cout << piece << std::flush;
  };
  bool cancelled = false;
  for (;;) {
    const auto event = sink->Wait(std::chrono::milliseconds(50));
    if (!cancelled && Interrupted()) {
      cancelled = true;
      model_->engine().Cancel(id);
    }
    if (!event) continue;
    for (const auto& token : event->tokens) show(answer.Feed(token).text);
    if (!event->finished) continue;
    show(answer.Finish().text);
    std::cout << '\n' << std::flush;
    if (event->reason == engine::FinishReason::kError) return refuse(event->error.message);
    if (with_statistics && event->timings.decode_ms > 0) {
      fmt::print(stderr, "[{} tokens, first after {:.0f} ms, {:.0f} tokens/s]\n",
                 event->completion_tokens, event->timings.ttft_ms,
                 event->completion_tokens / event->timings.decode_ms * 1000);
    }
    break;
  }
  if (whole.empty() && cancelled)
    request_.messages.pop_back();  // as if it had not been asked
  else
    request_.messages.push_back(MakeMessage(api::Role::kAssistant, whole));
  return !cancelled;
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

int Chat(const Arguments& a) {
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
  auto model = server::ServedModel::Load(found->installed, std::move(*file), config, {}, pool,
                                         kernels::SelectKernels(), {});
  if (!model) return Fail(model.error());
  WatchInterrupts();
  Conversation conversation(std::move(*model), a.system);
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
      .Option("--system", a.system, "System message")
      .Option("--threads", a.threads, "Compute threads; 0: all that this process may use")
      .Option("--context", a.context, "Positions to keep, at most the model's own")
      .Option("--data-dir", a.data_dir, "Where models and keys are kept")
      .Run([] { return Chat(a); });
}

}  // namespace infe::cli
