// For tests of the answer core without a model: a model's text over a vocabulary of bytes, an
// engine whose events the test tells, an executor that runs when it is told to, and a consumer that
// keeps what it hears.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "answer/backend.h"
#include "answer/model_text.h"
#include "engine/engine.h"
#include "tokenizer/tiny_vocab.h"

namespace infe::answer {

// Turns as "<|im_start|>role\ncontent<|im_end|>\n", with tools in the manner of Hermes.
inline constexpr std::string_view kTestTemplate = R"({%- if tools %}
{{- '<|im_start|>system\n# Tools\n' }}{%- for tool in tools %}{{ tool | tojson }}
{% endfor %}{{- '<|im_end|>\n' }}
{%- endif %}
{%- for m in messages %}
{{- '<|im_start|>' ~ m.role ~ '\n' ~ m.content }}
{%- for call in m.tool_calls %}
{{- '\n<tool_call>\n{"name": "' ~ call.function.name ~ '", "arguments": ' ~ (call.function.arguments | tojson) ~ '}\n</tool_call>' }}
{%- endfor %}
{{- '<|im_end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %})";

// Tokens 0 to 255 are bytes; <|im_end|> ends.
inline ModelText TestModelText(std::string_view chat_template = kTestTemplate,
                               uint32_t context_max = 4096) {
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer =
      std::move(*tokenizer::Tokenizer::Create(tokenizer::TinyByteLevelVocab()));
  const tokenizer::TokenId end = *tokenizer->eos();
  ModelText text = std::move(*MakeModelText({.name = "tiny",
                                             .tokenizer = tokenizer,
                                             .chat_template = std::string(chat_template),
                                             .bos_text = "",
                                             .eos_text = "<|im_end|>",
                                             .end_tokens = {end}}));
  text.context_max = context_max;
  text.render_fingerprint = "rf_test";
  return text;
}

inline std::vector<engine::TokenId> Bytes(std::string_view text) {
  std::vector<engine::TokenId> ids;
  for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
  return ids;
}

// The test is its thread.
class FakeEngine : public engine::Engine {
 public:
  Result<void> Submit(engine::EngineRequest request) override {
    if (refuse_at == requests.size())
      return Error{ErrorCode::kResourceExhausted, "the queue is full", {}};
    requests.push_back(std::move(request));
    return {};
  }
  void Cancel(engine::RequestId id) override { cancelled.push_back(id); }
  void SetPaused(engine::RequestId, bool paused) override { pauses.push_back(paused); }
  engine::EngineStats stats() const override { return {}; }
  uint64_t heartbeat() const override { return 0; }
  uint32_t context_max() const override { return 4096; }

  // Choice `i` sampled these bytes, one token each.
  void Say(size_t i, std::string_view text) {
    engine::TokenEvent event;
    for (const engine::TokenId id : Bytes(text)) event.tokens.push_back({id, -0.5F, {}});
    requests[i].sink->OnEvent(std::move(event));
  }
  void End(size_t i, engine::FinishReason reason, uint32_t tokens, Error error = {}) {
    engine::TokenEvent event;
    event.finished = true;
    event.reason = reason;
    event.completion_tokens = tokens;
    event.error = std::move(error);
    requests[i].sink->OnEvent(std::move(event));
  }

  std::vector<engine::EngineRequest> requests;
  std::vector<engine::RequestId> cancelled;
  std::vector<bool> pauses;
  size_t refuse_at = SIZE_MAX;  // the request of this index finds the queue full
};

class ManualExecutor : public Executor {
 public:
  void Post(std::function<void()> task) override { tasks_.push_back(std::move(task)); }
  void RunAll() {
    while (!tasks_.empty()) {
      const std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      task();
    }
  }

 private:
  std::deque<std::function<void()>> tasks_;
};

// One word per event: "0:text", "0!name" for a call's beginning, and so on.
inline std::string Word(const Event& event) {
  struct Writer {
    std::string operator()(const Prompt& e) const { return "^" + e.text; }
    std::string operator()(const Text& e) const { return ":" + e.text; }
    std::string operator()(const Reasoning& e) const { return "~" + e.text; }
    std::string operator()(const CallBegin& e) const {
      return (e.kind == CallKind::kCustom ? "!custom " : "!") + e.name;
    }
    std::string operator()(const CallArguments& e) const { return "(" + e.text; }
    std::string operator()(const CallEnd&) const { return ")"; }
    std::string operator()(const ChoiceEnd& e) const {
      const char* reasons[] = {".stop", ".calls", ".length"};
      return reasons[static_cast<size_t>(e.reason)] + (e.stop ? " at " + *e.stop : "");
    }
    std::string operator()(const Done&) const { return "done"; }
    std::string operator()(const Failed& e) const { return "failed " + e.error.error.message; }
  };
  return std::to_string(event.choice) + std::visit(Writer(), event.body);
}

struct Heard {
  std::vector<std::string> words;
  std::vector<Event> events;
  uint32_t tokens = 0, steps = 0, destroyed = 0;
  // Neighbouring texts of a choice joined: how they were cut does not matter.
  std::string Joined(uint32_t choice) const {
    std::string text;
    for (const Event& event : events)
      if (const auto* piece = std::get_if<Text>(&event.body); piece && event.choice == choice)
        text += piece->text;
    return text;
  }
  template <typename Body>
  const Body* Last() const {
    const Body* last = nullptr;
    for (const Event& event : events)
      if (const auto* body = std::get_if<Body>(&event.body)) last = body;
    return last;
  }
};

class Listener : public Consumer {
 public:
  explicit Listener(Heard& heard) : heard_(heard) {}
  ~Listener() override { heard_.destroyed += 1; }
  void OnEvent(const Event& event) override {
    heard_.words.push_back(Word(event));
    heard_.events.push_back(event);
  }
  void OnToken(uint32_t) override { heard_.tokens += 1; }
  void OnStep(uint32_t, uint32_t) override { heard_.steps += 1; }

 private:
  Heard& heard_;
};

}  // namespace infe::answer
