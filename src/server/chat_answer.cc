#include "server/chat_answer.h"

#include <utility>

#include "api/chat_completion_chunk.h"
#include "api/chat_completion_response.h"
#include "http/sse.h"
#include "server/errors.h"

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
    http::Headers headers = CommonHeaders(*setup_.context);
    for (const auto& [name, value] : http::SseHeaders()) headers.Set(name, value);
    for (const auto& [name, value] : setup_.headers) headers.Set(name, value);
    setup_.writer->StartStream(200, std::move(headers));
    KeepStreamAlive(setup_.writer, wrote_);
  }

  void OnText(uint32_t choice, const TextPiece& piece) override {
    const int index = static_cast<int>(choice);
    if (setup_.logprobs) {
      const auto logprobs = ToLogprobs(*setup_.model, piece.tokens);
      Send(chunks_.Content(index, piece.text, &logprobs));
    } else {
      Send(chunks_.Content(index, piece.text));
    }
  }

  void OnChoiceEnd(uint32_t choice, engine::FinishReason reason) override {
    // The extras ride on the last JSON chunk of the stream; OnEnd follows at once after the last
    // choice, so that one's chunk waits for it.
    if (pending_) Send(chunks_.Finish(pending_->first, pending_->second));
    pending_ = {static_cast<int>(choice), ToWire(reason)};
  }

  void OnEnd(const GenerationTotals& totals) override {
    setup_.extras.timings = ToTimings(totals, *setup_.context);
    if (chunks_.include_usage()) {
      Send(chunks_.Finish(pending_->first, pending_->second));
      Send(chunks_.UsageChunk(ToUsage(totals), setup_.extras));
    } else {
      Send(chunks_.Finish(pending_->first, pending_->second, nullptr, &setup_.extras));
    }
    setup_.context->finish_reason = api::Name(pending_->second);
    Send("[DONE]");
    setup_.writer->End();
  }

  void OnError(const api::ApiError& error) override {
    setup_.context->error_code = error.code.value_or(error.type);
    Send(api::WriteError(error));
    setup_.writer->End();
  }

 private:
  void Send(std::string_view payload) {
    *wrote_ = true;
    setup_.writer->Write(http::SseData(payload));
  }

  ChatAnswerSetup setup_;
  api::ChunkWriter chunks_;
  std::shared_ptr<bool> wrote_ = std::make_shared<bool>(false);
  std::optional<std::pair<int, api::FinishReason>> pending_;
};

class ChatCollector : public GenerationConsumer {
 public:
  explicit ChatCollector(ChatAnswerSetup setup) : setup_(std::move(setup)) {
    response_.choices.resize(setup_.choices);
    for (uint32_t i = 0; i < setup_.choices; ++i) {
      response_.choices[i].index = static_cast<int>(i);
      response_.choices[i].content.emplace();
      if (setup_.logprobs) response_.choices[i].logprobs.emplace();
    }
  }

  void OnText(uint32_t choice, const TextPiece& piece) override {
    *response_.choices[choice].content += piece.text;
    if (!setup_.logprobs) return;
    auto& all = *response_.choices[choice].logprobs;
    for (auto& entry : ToLogprobs(*setup_.model, piece.tokens)) all.push_back(std::move(entry));
  }
  void OnChoiceEnd(uint32_t choice, engine::FinishReason reason) override {
    response_.choices[choice].finish_reason = ToWire(reason);
  }
  void OnEnd(const GenerationTotals& totals) override {
    response_.head = setup_.head;
    response_.usage = ToUsage(totals);
    setup_.extras.timings = ToTimings(totals, *setup_.context);
    response_.extras = setup_.extras;
    setup_.context->finish_reason = api::Name(response_.choices.back().finish_reason);
    http::HttpResponse response;
    response.headers = CommonHeaders(*setup_.context);
    for (const auto& [name, value] : setup_.headers) response.headers.Set(name, value);
    response.headers.Set("Content-Type", "application/json");
    response.body = api::WriteChatCompletion(response_);
    setup_.writer->Send(std::move(response));
  }
  void OnError(const api::ApiError& error) override {
    setup_.context->error_code = error.code.value_or(error.type);
    setup_.writer->Send(ErrorResponse(error, CommonHeaders(*setup_.context)));
  }

 private:
  ChatAnswerSetup setup_;
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
  usage.cached_tokens = totals.timings.cached_tokens;
  usage.accepted_prediction_tokens = totals.timings.predicted_accepted;
  usage.rejected_prediction_tokens = totals.timings.predicted_rejected;
  return usage;
}

api::Timings ToTimings(const GenerationTotals& totals, const RequestContext& context) {
  const engine::RequestTimings& t = totals.timings;
  api::Timings wire;
  wire.queue_ms = t.queue_ms;
  wire.prefill_ms = t.prefill_ms;
  wire.decode_ms = t.decode_ms;
  wire.ttft_ms = t.ttft_ms;
  wire.total_ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - context.arrival)
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
