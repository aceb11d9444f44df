#include "server/chat_answer.h"

#include <utility>

#include <fmt/format.h>

#include "api/openai/chat_completion_chunk.h"
#include "api/openai/chat_completion_response.h"
#include "http/sse.h"
#include "server/door/errors.h"

namespace infe::server {
namespace {

// Proxies close silent connections after 30 to 60 seconds.
constexpr auto kKeepAlive = std::chrono::seconds(15);

class ChatStream : public GenerationConsumer {
 public:
  explicit ChatStream(ChatAnswerSetup setup)
      : setup_(std::move(setup)),
        chunks_(setup_.head, {.include_usage = setup_.streaming.include_usage,
                              .include_obfuscation = setup_.streaming.include_obfuscation}) {
    for (uint32_t i = 0; i < setup_.choices; ++i)
      choices_.push_back({std::make_unique<ChoiceReader>(setup_.reading), {}});
    http::Headers headers = setup_.reply.Headers();
    for (const auto& [name, value] : http::SseHeaders()) headers.Set(name, value);
    for (const auto& [name, value] : setup_.headers) headers.Set(name, value);
    setup_.reply.writer()->StartStream(200, std::move(headers));
    KeepStreamAlive(setup_.reply.writer(), wrote_);
  }

  bool OnText(uint32_t index, const TextPiece& piece) override {
    Choice& choice = choices_[index];
    if (setup_.logprobs)
      for (auto& entry : ToLogprobs(*setup_.model, piece.tokens))
        choice.logprobs.push_back(std::move(entry));
    if (choice.reader->is_reasoning()) reasoning_tokens_ += 1;
    Send(index, choice.reader->Feed(piece.text));
    return !choice.reader->complete();
  }

  void OnChoiceEnd(uint32_t index, engine::FinishReason reason) override {
    Send(index, choices_[index].reader->Finish());
    // The extras ride on the last JSON chunk of the stream; OnEnd follows at once after the last
    // choice, so that one's chunk waits for it.
    if (pending_) SendFinish(*pending_, nullptr);
    pending_ = {index, choices_[index].reader->ToWire(ToWire(reason))};
  }

  void OnEnd(const GenerationTotals& totals) override {
    setup_.extras.timings = ToTimings(totals, setup_.reply.caller());
    SendFinish(*pending_, chunks_.include_usage() ? nullptr : &setup_.extras);
    if (chunks_.include_usage()) {
      api::Usage usage = ToUsage(totals);
      usage.reasoning_tokens = reasoning_tokens_;
      SendData(chunks_.UsageChunk(usage, setup_.extras));
    }
    setup_.reply.facts().finish_reason = api::Name(pending_->second);
    SendData("[DONE]");
    setup_.reply.writer()->End();
  }

  void OnError(const api::ApiError& error) override {
    setup_.reply.facts().error_code = ErrorCodeOf(error);
    SendData(api::WriteError(error));
    setup_.reply.writer()->End();
  }

 private:
  struct Choice {
    std::unique_ptr<ChoiceReader> reader;
    std::vector<api::TokenLogprob> logprobs;  // of tokens whose chunk has not gone out
  };
  using Kind = chat::OutputEvent::Kind;

  void Send(uint32_t index, const std::vector<chat::OutputEvent>& events) {
    for (const chat::OutputEvent& event : events) SendEvent(index, event);
  }

  // One chunk for one event; the first of a piece takes the piece's logprobs along.
  void SendEvent(uint32_t index, const chat::OutputEvent& event) {
    Choice& choice = choices_[index];
    const int i = static_cast<int>(index);
    const int call = static_cast<int>(event.call);
    const bool legacy = setup_.reading.legacy_functions;
    const std::vector<api::TokenLogprob> taken = std::exchange(choice.logprobs, {});
    const auto* logprobs = setup_.logprobs ? &taken : nullptr;
    switch (event.kind) {
      case Kind::kContent:
        return SendData(chunks_.Content(i, event.text, logprobs));
      case Kind::kReasoning:
        return SendData(chunks_.Reasoning(i, event.text, logprobs));
      case Kind::kCallBegin: {
        if (legacy) return SendData(chunks_.FunctionCallBegin(i, event.text, logprobs));
        api::ToolCall begun = choice.reader->calls()[event.call];
        begun.arguments.clear();
        return SendData(chunks_.ToolCallBegin(i, call, begun, logprobs));
      }
      case Kind::kCallArguments:
        if (legacy) return SendData(chunks_.FunctionCallArguments(i, event.text, logprobs));
        return SendData(chunks_.ToolCallArguments(
            i, call, event.text, choice.reader->calls()[event.call].kind, logprobs));
      case Kind::kCallEnd:
        choice.logprobs = taken;
        return;  // nothing on the wire
    }
  }

  void SendFinish(const std::pair<uint32_t, api::FinishReason>& end,
                  const api::ResponseExtras* extras) {
    const auto taken = std::exchange(choices_[end.first].logprobs, {});
    SendData(chunks_.Finish(static_cast<int>(end.first), end.second,
                            taken.empty() ? nullptr : &taken, extras));
  }

  void SendData(std::string_view payload) {
    *wrote_ = true;
    setup_.reply.writer()->Write(http::SseData(payload));
  }

  ChatAnswerSetup setup_;
  api::ChunkWriter chunks_;
  std::vector<Choice> choices_;
  uint32_t reasoning_tokens_ = 0;
  std::shared_ptr<bool> wrote_ = std::make_shared<bool>(false);
  std::optional<std::pair<uint32_t, api::FinishReason>> pending_;
};

class ChatCollector : public GenerationConsumer {
 public:
  explicit ChatCollector(ChatAnswerSetup setup) : setup_(std::move(setup)) {
    response_.choices.resize(setup_.choices);
    for (uint32_t i = 0; i < setup_.choices; ++i) {
      readers_.push_back(std::make_unique<ChoiceReader>(setup_.reading));
      response_.choices[i].index = static_cast<int>(i);
      if (setup_.logprobs) response_.choices[i].logprobs.emplace();
    }
  }

  bool OnText(uint32_t index, const TextPiece& piece) override {
    if (setup_.logprobs) {
      auto& all = *response_.choices[index].logprobs;
      for (auto& entry : ToLogprobs(*setup_.model, piece.tokens)) all.push_back(std::move(entry));
    }
    if (readers_[index]->is_reasoning()) reasoning_tokens_ += 1;
    Add(index, readers_[index]->Feed(piece.text));
    return !readers_[index]->complete();
  }
  void OnChoiceEnd(uint32_t index, engine::FinishReason reason) override {
    Add(index, readers_[index]->Finish());
    api::ChatChoice& choice = response_.choices[index];
    choice.finish_reason = readers_[index]->ToWire(ToWire(reason));
    choice.tool_calls = readers_[index]->calls();
    choice.legacy_function_call = setup_.reading.legacy_functions && !choice.tool_calls.empty();
    // Null only beside calls: an empty answer is an empty text.
    if (!choice.content && choice.tool_calls.empty()) choice.content.emplace();
  }
  void OnEnd(const GenerationTotals& totals) override {
    response_.head = setup_.head;
    response_.usage = ToUsage(totals);
    response_.usage.reasoning_tokens = reasoning_tokens_;
    setup_.extras.timings = ToTimings(totals, setup_.reply.caller());
    response_.extras = setup_.extras;
    setup_.reply.facts().finish_reason = api::Name(response_.choices.back().finish_reason);
    http::HttpResponse response;
    response.headers = setup_.reply.Headers();
    for (const auto& [name, value] : setup_.headers) response.headers.Set(name, value);
    response.headers.Set("Content-Type", "application/json");
    response.headers.Set("Server-Timing", ServerTiming(setup_.extras.timings.value()));
    response.body = api::WriteChatCompletion(response_);
    setup_.reply.writer()->Send(std::move(response));
  }
  void OnError(const api::ApiError& error) override { setup_.reply.SendError(error); }

 private:
  void Add(uint32_t index, const std::vector<chat::OutputEvent>& events) {
    api::ChatChoice& choice = response_.choices[index];
    for (const chat::OutputEvent& event : events) {
      if (event.kind == chat::OutputEvent::Kind::kContent) {
        if (!choice.content) choice.content.emplace();
        *choice.content += event.text;
      } else if (event.kind == chat::OutputEvent::Kind::kReasoning) {
        if (!choice.reasoning_content) choice.reasoning_content.emplace();
        *choice.reasoning_content += event.text;
      }
    }
  }

  ChatAnswerSetup setup_;
  std::vector<std::unique_ptr<ChoiceReader>> readers_;
  uint32_t reasoning_tokens_ = 0;
  api::ChatCompletionResponse response_;
};

}  // namespace

std::unique_ptr<GenerationConsumer> MakeChatStream(ChatAnswerSetup setup) {
  return std::make_unique<ChatStream>(std::move(setup));
}
std::unique_ptr<GenerationConsumer> MakeChatCollector(ChatAnswerSetup setup) {
  return std::make_unique<ChatCollector>(std::move(setup));
}

api::FinishReason ToWire(engine::FinishReason reason) {
  return reason == engine::FinishReason::kLength ? api::FinishReason::kLength
                                                 : api::FinishReason::kStop;
}

api::Usage ToUsage(const GenerationTotals& totals) {
  api::Usage usage;
  usage.prompt_tokens = totals.prompt_tokens;
  usage.completion_tokens = totals.completion_tokens;
  usage.cached_tokens = totals.cached_tokens;
  usage.accepted_prediction_tokens = totals.timings.predicted_accepted;
  usage.rejected_prediction_tokens = totals.timings.predicted_rejected;
  return usage;
}

api::Timings ToTimings(const GenerationTotals& totals, const Caller& caller) {
  const engine::RequestTimings& t = totals.timings;
  api::Timings wire;
  wire.prepare_ms = totals.prepare_ms;
  wire.queue_ms = t.queue_ms;
  wire.prefill_ms = t.prefill_ms;
  wire.decode_ms = t.decode_ms;
  wire.ttft_ms = t.ttft_ms;
  wire.total_ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - caller.arrival)
          .count();
  wire.prefill_tokens = t.prefill_tokens;
  wire.cached_tokens = t.cached_tokens;
  if (t.prefill_ms > 0) wire.prefill_tokens_per_second = t.prefill_tokens / t.prefill_ms * 1000;
  if (t.decode_ms > 0)
    wire.decode_tokens_per_second = totals.completion_tokens / t.decode_ms * 1000;
  wire.drafted_tokens = t.drafted_tokens;
  wire.accepted_tokens = t.accepted_tokens;
  return wire;
}

std::string ServerTiming(const api::Timings& timings) {
  return fmt::format(
      "prepare;dur={:.1f}, queue;dur={:.1f}, prefill;dur={:.1f}, decode;dur={:.1f}, "
      "total;dur={:.1f}",
      timings.prepare_ms, timings.queue_ms, timings.prefill_ms, timings.decode_ms,
      timings.total_ms);
}

std::vector<api::TokenLogprob> ToLogprobs(const ServedModel& model,
                                          const std::vector<engine::SampledToken>& tokens) {
  const auto probability = [&](tokenizer::TokenId id, float logprob) {
    const bool special = model.tokenizer().IsControl(id);
    return api::TokenProbability{
        special ? model.tokenizer().TokenText(id) : std::string(model.tokenizer().TokenBytes(id)),
        special, logprob};
  };
  std::vector<api::TokenLogprob> wire;
  wire.reserve(tokens.size());
  for (const engine::SampledToken& token : tokens) {
    api::TokenLogprob& entry = wire.emplace_back();
    entry.token = probability(token.token, token.logprob);
    for (const engine::TokenLogprob& top : token.top)
      entry.top.push_back(probability(top.token, top.logprob));
  }
  return wire;
}

void KeepStreamAlive(const std::shared_ptr<http::ResponseWriter>& writer,
                     std::shared_ptr<bool> wrote) {
  writer->RunAfter(kKeepAlive, [weak = std::weak_ptr(writer), wrote] {
    const auto held = weak.lock();
    if (!held || !held->is_open()) return;
    if (!std::exchange(*wrote, false)) held->Write(std::string(http::kSsePing));
    KeepStreamAlive(held, wrote);
  });
}

}  // namespace infe::server
