#include "api/anthropic/messages_text.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "api/anthropic/content_blocks.h"
#include "api/anthropic/cut_json.h"
#include "api/anthropic/error.h"
#include "api/json_text.h"

namespace infe::api::anthropic {
namespace {

// Whether usage stands in a whole message (or its beginning) or at the end of a stream, where only
// what has grown is told.
enum class UsageOf { kMessage, kDelta };

void AppendUsage(std::string& out, const MessageTextOptions& options, const answer::Totals& totals,
                 UsageOf where) {
  // Of a model elsewhere only the end knows it; at the beginning there is an estimate.
  const uint32_t prompt = totals.prompt_tokens > 0 ? totals.prompt_tokens : options.prompt_tokens;
  // The last token of a prompt is always computed, so something is left of it.
  const uint32_t fresh = prompt - std::min(totals.cached_tokens, prompt);
  const uint32_t kept = options.cache_control && fresh > 0 ? fresh - 1 : 0;
  ObjectText usage(out);
  usage.Integer("input_tokens", fresh - kept);
  usage.Integer("cache_creation_input_tokens", kept);
  usage.Integer("cache_read_input_tokens", totals.cached_tokens);
  if (where == UsageOf::kMessage) {
    ObjectText creation(usage.Key("cache_creation"));
    creation.Integer("ephemeral_5m_input_tokens", kept);
    creation.Integer("ephemeral_1h_input_tokens", 0);
    creation.Close();
  }
  usage.Integer("output_tokens", totals.completion_tokens);
  ObjectText details(usage.Key("output_tokens_details"));
  details.Integer("thinking_tokens", totals.reasoning_tokens);
  details.Close();
  if (where == UsageOf::kMessage) usage.String("service_tier", "standard");
  usage.Close();
}

// How an answer ended: known with its totals.
struct End {
  std::string_view reason = "end_turn";
  std::optional<std::string> stop_sequence = {};
};

End EndOf(const answer::ChoiceEnd& end, const answer::Totals& totals, int64_t max_tokens) {
  switch (end.reason) {
    case answer::StopReason::kCalls:
      return {"tool_use", {}};
    case answer::StopReason::kLength:
      // Fewer than it might have: the context was full.
      if (totals.completion_tokens < max_tokens) return {"model_context_window_exceeded", {}};
      return {"max_tokens", {}};
    case answer::StopReason::kStop:
      break;
  }
  if (end.stop) return {"stop_sequence", end.stop};
  return {"end_turn", {}};
}

void AddEnd(ObjectText& object, const End& end) {
  object.String("stop_reason", end.reason);
  if (end.stop_sequence)
    object.String("stop_sequence", *end.stop_sequence);
  else
    object.Null("stop_sequence");
}

void AddHead(ObjectText& message, const MessageTextOptions& options) {
  message.String("id", options.id);
  message.String("type", "message");
  message.String("role", "assistant");
  message.String("model", options.model);
}

class MessageStream : public StreamText, private BlockSink {
 public:
  MessageStream(MessageTextOptions options, SendEvent send)
      : options_(std::move(options)), send_(std::move(send)), blocks_(*this) {}

  void Begin() override {
    std::string out;
    ObjectText event(out);
    event.String("type", "message_start");
    ObjectText message(event.Key("message"));
    AddHead(message, options_);
    message.Key("content") += "[]";
    message.Null("stop_reason");
    message.Null("stop_sequence");
    // What of the prompt was in the cache is known at the end.
    AppendUsage(message.Key("usage"), options_, {}, UsageOf::kMessage);
    message.Close();
    event.Close();
    send_("message_start", out);
    send_("ping", R"({"type":"ping"})");
  }
  std::string_view keep_alive() const override {
    return "event: ping\ndata: {\"type\":\"ping\"}\n\n";
  }
  void Take(const answer::Event& event) override {
    blocks_.Take(event.body);
    if (const auto* end = std::get_if<answer::ChoiceEnd>(&event.body)) choice_end_ = *end;
    if (const auto* done = std::get_if<answer::Done>(&event.body)) Finish(done->totals);
  }
  std::string_view finish() const override { return end_.reason; }
  ApiError ToError(const answer::AnswerError& error) const override {
    return anthropic::ToApiError(error);
  }
  void Fail(const ApiError& error) override { send_("error", anthropic::WriteError(error)); }

 private:
  void BeginText() override { SendBegin(R"({"type":"text","text":""})"); }
  void AddText(std::string_view text) override { SendDelta("text_delta", "text", text); }
  void BeginThinking() override {
    SendBegin(R"({"type":"thinking","thinking":"","signature":""})");
  }
  void AddThinking(std::string_view text) override {
    if (options_.display == Thinking::Display::kShown)
      SendDelta("thinking_delta", "thinking", text);
  }
  void EndThinking(const std::string& signature) override {
    SendDelta("signature_delta", "signature", signature);
  }
  void BeginToolUse(const std::string& id, const std::string& name) override {
    std::string out;
    ObjectText block(out);
    block.String("type", "tool_use");
    block.String("id", id);
    block.String("name", name);
    block.Key("input") += "{}";
    block.Close();
    SendBegin(out);
  }
  void AddInput(std::string_view json) override {
    SendDelta("input_json_delta", "partial_json", json);
  }
  void EndBlock() override {
    std::string out;
    ObjectText event(out);
    event.String("type", "content_block_stop");
    event.Integer("index", index_++);
    event.Close();
    send_("content_block_stop", out);
  }

  void SendBegin(std::string_view block) {
    std::string out;
    ObjectText event(out);
    event.String("type", "content_block_start");
    event.Integer("index", index_);
    event.Key("content_block") += block;
    event.Close();
    send_("content_block_start", out);
  }
  void SendDelta(std::string_view type, std::string_view key, std::string_view text) {
    std::string out;
    ObjectText event(out);
    event.String("type", "content_block_delta");
    event.Integer("index", index_);
    ObjectText delta(event.Key("delta"));
    delta.String("type", type);
    delta.String(key, text);
    delta.Close();
    event.Close();
    send_("content_block_delta", out);
  }
  void Finish(const answer::Totals& totals) {
    end_ = EndOf(choice_end_, totals, options_.max_tokens);
    std::string out;
    ObjectText event(out);
    event.String("type", "message_delta");
    ObjectText delta(event.Key("delta"));
    AddEnd(delta, end_);
    delta.Close();
    AppendUsage(event.Key("usage"), options_, totals, UsageOf::kDelta);
    event.Close();
    send_("message_delta", out);
    send_("message_stop", R"({"type":"message_stop"})");
  }

  const MessageTextOptions options_;
  const SendEvent send_;
  ContentBlocks blocks_;
  int64_t index_ = 0;  // of the open block, or the next
  answer::ChoiceEnd choice_end_;
  End end_;
};

class MessageWhole : public WholeText, private BlockSink {
 public:
  explicit MessageWhole(MessageTextOptions options)
      : options_(std::move(options)), blocks_(*this) {}

  void Take(const answer::Event& event) override {
    blocks_.Take(event.body);
    if (const auto* end = std::get_if<answer::ChoiceEnd>(&event.body)) choice_end_ = *end;
    if (const auto* done = std::get_if<answer::Done>(&event.body)) {
      totals_ = done->totals;
      end_ = EndOf(choice_end_, totals_, options_.max_tokens);
    }
  }
  std::string_view finish() const override { return end_.reason; }
  ApiError ToError(const answer::AnswerError& error) const override {
    return anthropic::ToApiError(error);
  }
  std::string Body() override {
    std::string out;
    ObjectText message(out);
    AddHead(message, options_);
    message.Key("content") += "[" + content_ + "]";
    AddEnd(message, end_);
    AppendUsage(message.Key("usage"), options_, totals_, UsageOf::kMessage);
    message.Close();
    return out;
  }

 private:
  enum class Kind { kText, kThinking, kToolUse };

  void BeginText() override { kind_ = Kind::kText; }
  void AddText(std::string_view text) override { text_ += text; }
  void BeginThinking() override { kind_ = Kind::kThinking; }
  void AddThinking(std::string_view text) override {
    if (options_.display == Thinking::Display::kShown) text_ += text;
  }
  void EndThinking(const std::string& signature) override { id_ = signature; }
  void BeginToolUse(const std::string& id, const std::string& name) override {
    kind_ = Kind::kToolUse;
    id_ = id;
    name_ = name;
  }
  void AddInput(std::string_view json) override { text_ += json; }
  void EndBlock() override {
    if (!content_.empty()) content_ += ',';
    ObjectText block(content_);
    switch (kind_) {
      case Kind::kText:
        block.String("type", "text");
        block.String("text", text_);
        break;
      case Kind::kThinking:
        block.String("type", "thinking");
        block.String("thinking", text_);
        block.String("signature", id_);
        break;
      case Kind::kToolUse:
        block.String("type", "tool_use");
        block.String("id", id_);
        block.String("name", name_);
        block.Key("input") += InputObject(text_);
        break;
    }
    block.Close();
    text_.clear();
  }

  const MessageTextOptions options_;
  ContentBlocks blocks_;
  std::string content_;  // of the blocks that are whole
  Kind kind_ = Kind::kText;
  std::string id_, name_, text_;  // of the open one; id_: a thought's signature
  answer::ChoiceEnd choice_end_;
  answer::Totals totals_;
  End end_;
};

}  // namespace

std::unique_ptr<StreamText> MakeMessageStream(MessageTextOptions options, SendEvent send) {
  return std::make_unique<MessageStream>(std::move(options), std::move(send));
}
std::unique_ptr<WholeText> MakeMessageWhole(MessageTextOptions options) {
  return std::make_unique<MessageWhole>(std::move(options));
}

std::string WriteTokenCount(uint32_t prompt_tokens) {
  std::string out;
  ObjectText object(out);
  object.Integer("input_tokens", prompt_tokens);
  object.Close();
  return out;
}

}  // namespace infe::api::anthropic
