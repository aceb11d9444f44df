#include "cli/conversation.h"

#include <charconv>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "cli/command_line.h"

namespace infe::cli {
namespace {

// How long a Ctrl-C may go unnoticed.
constexpr std::chrono::milliseconds kLook{50};

// One thing that can be set, by its name in the API.
struct Setting {
  std::string_view name;
  double low, high;
  enum class Form { kAny, kInteger } form;
  void (*set)(answer::ChatAsk& ask, std::optional<double> value);  // nullopt: the default again
};

template <typename T>
std::optional<T> To(std::optional<double> value) {
  return value ? std::optional<T>(static_cast<T>(*value)) : std::nullopt;
}

constexpr Setting kSettings[] = {
    {"temperature", 0, 2, Setting::Form::kAny,
     [](answer::ChatAsk& ask, std::optional<double> v) { ask.sampling.temperature = v; }},
    {"top_p", 0, 1, Setting::Form::kAny,
     [](answer::ChatAsk& ask, std::optional<double> v) { ask.sampling.top_p = v; }},
    {"min_p", 0, 1, Setting::Form::kAny,
     [](answer::ChatAsk& ask, std::optional<double> v) { ask.sampling.min_p = v; }},
    {"top_k", 0, 1e6, Setting::Form::kInteger,
     [](answer::ChatAsk& ask, std::optional<double> v) { ask.sampling.top_k = To<int64_t>(v); }},
    {"repetition_penalty", 0.01, 10, Setting::Form::kAny,
     [](answer::ChatAsk& ask, std::optional<double> v) { ask.sampling.repetition_penalty = v; }},
    // Below 2^53, as JSON numbers carry it.
    {"seed", 0, 9007199254740991.0, Setting::Form::kInteger,
     [](answer::ChatAsk& ask, std::optional<double> v) { ask.sampling.seed = To<uint64_t>(v); }},
    {"max_tokens", 1, 1e9, Setting::Form::kInteger,
     [](answer::ChatAsk& ask, std::optional<double> v) { ask.tokens_max = To<int64_t>(v); }},
};

std::optional<double> ParseNumber(const std::string& text) {
  double number = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

chat::Message MakeMessage(chat::Role role, std::string text) {
  chat::Message message;
  message.role = role;
  message.content = std::move(text);
  return message;
}

// What an answer comes to, on the terminal's thread.
struct Outcome {
  Spoken spoken;
  std::optional<answer::AnswerError> error;
  bool is_over() const { return spoken.totals || error; }
};

class Listener : public answer::Consumer {
 public:
  // Both outlive it.
  Listener(Outcome& outcome, AnswerReader& reader) : outcome_(outcome), reader_(reader) {}
  void OnEvent(const answer::Event& event) override {
    if (const auto* text = std::get_if<answer::Text>(&event.body)) {
      outcome_.spoken.text += text->text;
      reader_.OnText(text->text);
    } else if (const auto* thought = std::get_if<answer::Reasoning>(&event.body)) {
      reader_.OnReasoning(thought->text);
    } else if (const auto* done = std::get_if<answer::Done>(&event.body)) {
      outcome_.spoken.totals = done->totals;
    } else if (const auto* failed = std::get_if<answer::Failed>(&event.body)) {
      outcome_.error = failed->error;
    }
  }

 private:
  Outcome& outcome_;
  AnswerReader& reader_;
};

}  // namespace

Conversation::Conversation(std::shared_ptr<server::ServedModel> model, std::string system)
    : model_(std::move(model)), system_(std::move(system)) {
  Reset();
}

// What an answer that was cut has still posted holds the executor itself.
Conversation::~Conversation() {
  model_->backend().Stop();
  executor_->Clear();
}

void Conversation::Reset() {
  ask_.messages.clear();
  if (!system_.empty()) ask_.messages.push_back(MakeMessage(chat::Role::kSystem, system_));
}

void Conversation::SetSystem(std::string text) {
  system_ = std::move(text);
  Reset();
}

void Conversation::SetSchema(Json schema) {
  ask_.format = {.kind = answer::Format::Kind::kJsonSchema,
                 .schema = std::move(schema),
                 .origin = "--json-schema"};
}

void Conversation::SetModel(std::shared_ptr<server::ServedModel> model) {
  model_->backend().Stop();
  executor_->Clear();
  model_ = std::move(model);
}

Result<void> Conversation::Set(std::string_view name, const std::string& value) {
  for (const Setting& setting : kSettings) {
    if (setting.name != name) continue;
    const bool is_default = value == "default";
    const std::optional<double> number = is_default ? std::nullopt : ParseNumber(value);
    if (!is_default) {
      if (!number || !(*number >= setting.low && *number <= setting.high)) break;
      if (setting.form == Setting::Form::kInteger && *number != std::floor(*number)) break;
    }
    setting.set(ask_, number);
    std::erase_if(settings_,
                  [&](const std::string& set) { return set.starts_with(std::string(name) + ' '); });
    if (number) settings_.push_back(fmt::format("{} {}", name, value));
    return {};
  }
  return InvalidArgument(
      fmt::format("cannot set {} to \"{}\": known are temperature 0..2, top_p 0..1, min_p 0..1, "
                  "top_k >= 0, repetition_penalty 0.01..10, seed >= 0, max_tokens >= 1",
                  name, value));
}

std::vector<std::string> Conversation::SettingNames() {
  std::vector<std::string> names;
  for (const Setting& setting : kSettings) names.emplace_back(setting.name);
  return names;
}

answer::Answered<Spoken> Conversation::Answer(AnswerReader& reader) {
  ask_.caller.arrival = std::chrono::steady_clock::now();
  auto prepared = model_->backend().Prepare(ask_, {});
  if (!prepared) return std::move(prepared).error();
  answer::GrammarSource source(grammars_, answer::GrammarSource::Mode::kCompile);
  if (auto compiled = (*prepared)->Compile(source); !compiled) return compiled.error();
  Outcome outcome;
  auto running = (*prepared)->Start(executor_, [&]() -> std::unique_ptr<answer::Consumer> {
    return std::make_unique<Listener>(outcome, reader);
  });
  if (!running) return std::move(running).error();
  while (!outcome.is_over() && !Interrupted()) executor_->RunOne(kLook);
  (*running)->Abandon();  // after its end: nothing
  if (outcome.error) return *std::move(outcome.error);
  return std::move(outcome.spoken);
}

answer::Answered<Spoken> Conversation::Ask(std::string text, AnswerReader& reader) {
  ask_.messages.push_back(MakeMessage(chat::Role::kUser, std::move(text)));
  auto spoken = Answer(reader);
  if (!spoken || (spoken->text.empty() && !spoken->totals))
    ask_.messages.pop_back();  // as if it had not been asked
  else
    ask_.messages.push_back(MakeMessage(chat::Role::kAssistant, spoken->text));
  return spoken;
}

std::optional<std::string> Conversation::TakeBack() {
  auto& messages = ask_.messages;
  while (!messages.empty() && messages.back().role == chat::Role::kAssistant) messages.pop_back();
  if (messages.empty() || messages.back().role != chat::Role::kUser) return std::nullopt;
  std::string question = std::move(messages.back().content);
  messages.pop_back();
  return question;
}

Json Conversation::AsRequest() const {
  Json messages = Json::MakeArray();
  for (const chat::Message& message : ask_.messages)
    messages.push_back(
        Json::Object{{"role", chat::Name(message.role)}, {"content", message.content}});
  Json::Object request{{"model", model_name()}, {"messages", std::move(messages)}};
  for (const std::string& setting : settings_) {
    const size_t space = setting.find(' ');
    const double number = ParseNumber(setting.substr(space + 1)).value_or(0);
    // Whole numbers as such: a seed is none otherwise.
    const bool is_whole = number == std::floor(number);
    request.emplace_back(setting.substr(0, space),
                         is_whole ? Json(static_cast<int64_t>(number)) : Json(number));
  }
  if (ask_.format.kind == answer::Format::Kind::kJsonSchema)
    request.emplace_back(
        "response_format",
        Json::Object{
            {"type", "json_schema"},
            {"json_schema", Json::Object{{"name", "answer"}, {"schema", ask_.format.schema}}}});
  return request;
}

}  // namespace infe::cli
