#include "api/openai/chat_text.h"

#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "api/ids.h"
#include "api/openai/answer_error.h"
#include "api/openai/answer_parts.h"
#include "api/openai/chat_completion_chunk.h"
#include "api/openai/chat_completion_response.h"

namespace infe::api {
namespace {

FinishReason ToWire(answer::StopReason reason, const ChatTextOptions& options) {
  switch (reason) {
    case answer::StopReason::kStop:
      return FinishReason::kStop;
    case answer::StopReason::kLength:
      return FinishReason::kLength;
    case answer::StopReason::kCalls:
      break;
  }
  if (options.named) return FinishReason::kStop;
  return options.legacy_functions ? FinishReason::kFunctionCall : FinishReason::kToolCalls;
}

ToolCall::Kind ToWire(answer::CallKind kind) {
  return kind == answer::CallKind::kCustom ? ToolCall::Kind::kCustom : ToolCall::Kind::kFunction;
}

class ChatWhole : public WholeText {
 public:
  explicit ChatWhole(ChatTextOptions options) : options_(std::move(options)) {
    response_.choices.resize(options_.choices);
    for (uint32_t i = 0; i < options_.choices; ++i) {
      response_.choices[i].index = static_cast<int>(i);
      if (options_.logprobs) response_.choices[i].logprobs.emplace();
    }
  }

  void Take(const answer::Event& event) override {
    ChatChoice& choice = response_.choices[event.choice];
    if (options_.logprobs)
      for (TokenLogprob& entry : ToLogprobs(event.scores))
        choice.logprobs->push_back(std::move(entry));
    std::visit([&](const auto& body) { On(choice, body); }, event.body);
  }
  std::string_view finish() const override { return Name(response_.choices.back().finish_reason); }
  ApiError ToError(const answer::AnswerError& error) const override { return ToApiError(error); }
  std::string Body() override { return WriteChatCompletion(response_); }
  // The one that began last in this choice.
  const std::string& LastCallId(uint32_t choice) const {
    return response_.choices[choice].tool_calls.back().id;
  }

 private:
  static void On(ChatChoice&, const answer::Prompt&) {}  // a chat has no echo
  static void On(ChatChoice& choice, const answer::Text& text) {
    if (!choice.content) choice.content.emplace();
    *choice.content += text.text;
  }
  static void On(ChatChoice& choice, const answer::Reasoning& text) {
    if (!choice.reasoning_content) choice.reasoning_content.emplace();
    *choice.reasoning_content += text.text;
  }
  static void On(ChatChoice& choice, const answer::CallBegin& call) {
    choice.tool_calls.push_back({ToWire(call.kind), NewCallId(), call.name, {}});
  }
  static void On(ChatChoice& choice, const answer::CallArguments& call) {
    choice.tool_calls.back().arguments += call.text;
  }
  static void On(ChatChoice&, const answer::CallEnd&) {}
  void On(ChatChoice& choice, const answer::ChoiceEnd& end) const {
    choice.finish_reason = ToWire(end.reason, options_);
    choice.legacy_function_call = options_.legacy_functions && !choice.tool_calls.empty();
    // Null only beside calls: an empty answer is an empty text.
    if (!choice.content && choice.tool_calls.empty()) choice.content.emplace();
  }
  void On(ChatChoice&, const answer::Done& done) {
    response_.head = options_.head;
    response_.usage = ToUsage(done.totals);
    response_.extras = options_.extras;
    response_.extras.timings = ToTimings(done.totals);
    if (options_.keep) options_.keep(WriteChatCompletion(response_));
  }
  static void On(ChatChoice&, const answer::Failed&) {}  // ToError

  const ChatTextOptions options_;
  ChatCompletionResponse response_;
};

class ChatStream : public StreamText {
 public:
  ChatStream(ChatTextOptions options, SendEvent send)
      : options_(std::move(options)),
        send_(std::move(send)),
        chunks_(options_.head, {.include_usage = options_.streaming.include_usage,
                                .include_obfuscation = options_.streaming.include_obfuscation}) {
    if (options_.keep) kept_.emplace(options_);
  }

  void Take(const answer::Event& event) override {
    if (kept_) kept_->Take(event);
    choice_ = static_cast<int>(event.choice);
    scores_ = ToLogprobs(event.scores);
    std::visit([this](const auto& body) { On(body); }, event.body);
  }
  std::string_view finish() const override { return Name(pending_->reason); }
  ApiError ToError(const answer::AnswerError& error) const override { return ToApiError(error); }
  void Fail(const ApiError& error) override { Send(WriteError(error)); }

 private:
  struct End {
    int choice = 0;
    FinishReason reason = FinishReason::kStop;
    std::vector<TokenLogprob> logprobs = {};
  };

  void On(const answer::Prompt&) {}  // a chat has no echo
  void On(const answer::Text& text) { Send(chunks_.Content(choice_, text.text, Logprobs())); }
  void On(const answer::Reasoning& text) {
    Send(chunks_.Reasoning(choice_, text.text, Logprobs()));
  }
  void On(const answer::CallBegin& call) {
    if (options_.legacy_functions)
      return Send(chunks_.FunctionCallBegin(choice_, call.name, Logprobs()));
    // What is kept has the ids that were sent.
    std::string id = kept_ ? kept_->LastCallId(static_cast<uint32_t>(choice_)) : NewCallId();
    const ToolCall begun{ToWire(call.kind), std::move(id), call.name, {}};
    Send(chunks_.ToolCallBegin(choice_, static_cast<int>(call.call), begun, Logprobs()));
  }
  void On(const answer::CallArguments& call) {
    if (options_.legacy_functions)
      return Send(chunks_.FunctionCallArguments(choice_, call.text, Logprobs()));
    Send(chunks_.ToolCallArguments(choice_, static_cast<int>(call.call), call.text,
                                   ToWire(call.kind), Logprobs()));
  }
  void On(const answer::CallEnd&) {}  // nothing on the wire
  void On(const answer::ChoiceEnd& end) {
    // The extras ride on the last JSON chunk of the stream; Done follows at once after the last
    // choice, so that one's chunk waits for it.
    if (pending_) SendFinish(nullptr);
    pending_ = End{choice_, ToWire(end.reason, options_), std::move(scores_)};
  }
  void On(const answer::Done& done) {
    options_.extras.timings = ToTimings(done.totals);
    SendFinish(chunks_.include_usage() ? nullptr : &options_.extras);
    if (chunks_.include_usage()) Send(chunks_.UsageChunk(ToUsage(done.totals), options_.extras));
    Send("[DONE]");
  }
  void On(const answer::Failed&) {}  // ToError and Fail

  ChunkWriter::Logprobs Logprobs() const { return options_.logprobs ? &scores_ : nullptr; }
  void SendFinish(const ResponseExtras* extras) {
    Send(chunks_.Finish(pending_->choice, pending_->reason,
                        pending_->logprobs.empty() ? nullptr : &pending_->logprobs, extras));
  }
  void Send(std::string_view data) { send_({}, data); }

  ChatTextOptions options_;
  const SendEvent send_;
  ChunkWriter chunks_;
  int choice_ = 0;  // of the event that is taken, as is
  std::vector<TokenLogprob> scores_;
  std::optional<End> pending_;
  std::optional<ChatWhole> kept_;  // its plain twin, if it is to be kept
};

}  // namespace

std::unique_ptr<StreamText> MakeChatStream(ChatTextOptions options, SendEvent send) {
  return std::make_unique<ChatStream>(std::move(options), std::move(send));
}
std::unique_ptr<WholeText> MakeChatWhole(ChatTextOptions options) {
  return std::make_unique<ChatWhole>(std::move(options));
}

}  // namespace infe::api
