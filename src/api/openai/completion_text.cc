#include "api/openai/completion_text.h"

#include <optional>
#include <utility>
#include <variant>

#include "api/openai/answer_error.h"
#include "api/openai/answer_parts.h"
#include "api/openai/completion_response.h"

namespace infe::api {
namespace {

FinishReason ToWire(answer::StopReason reason) {
  return reason == answer::StopReason::kLength ? FinishReason::kLength : FinishReason::kStop;
}

void Append(const answer::TokenScores& scores, CompletionLogprobs& to) {
  for (const answer::TokenScore& score : scores) {
    CompletionLogprobs::Token& token = to.tokens.emplace_back();
    token.token = ToProbability(score.token);
    token.has_logprob = score.has_logprob;
    for (const auto& top : score.top) token.top.push_back(ToProbability(top));
    token.text_offset = score.text_offset;
  }
}

class CompletionStream : public StreamText {
 public:
  CompletionStream(CompletionTextOptions options, SendEvent send)
      : options_(std::move(options)),
        send_(std::move(send)),
        chunks_(options_.head, options_.streaming.include_usage) {}

  void Take(const answer::Event& event) override {
    const int choice = static_cast<int>(event.choice);
    if (const auto* prompt = std::get_if<answer::Prompt>(&event.body)) {
      if (options_.logprobs || !prompt->text.empty()) SendText(choice, prompt->text, event.scores);
    } else if (const auto* text = std::get_if<answer::Text>(&event.body)) {
      SendText(choice, text->text, event.scores);
    } else if (const auto* end = std::get_if<answer::ChoiceEnd>(&event.body)) {
      if (pending_) Send(chunks_.Finish(pending_->first, pending_->second));
      pending_ = {choice, ToWire(end->reason)};
    } else if (const auto* done = std::get_if<answer::Done>(&event.body)) {
      SendEnd(done->totals);
    }
  }
  std::string_view finish() const override { return Name(pending_->second); }
  ApiError ToError(const answer::AnswerError& error) const override { return ToApiError(error); }
  void Fail(const ApiError& error) override { Send(WriteError(error)); }

 private:
  void SendText(int choice, const std::string& text, const answer::TokenScores& scores) {
    if (!options_.logprobs) return Send(chunks_.Text(choice, text));
    CompletionLogprobs logprobs;
    Append(scores, logprobs);
    Send(chunks_.Text(choice, text, &logprobs));
  }
  void SendEnd(const answer::Totals& totals) {
    options_.extras.timings = ToTimings(totals);
    if (chunks_.include_usage()) {
      Send(chunks_.Finish(pending_->first, pending_->second));
      Send(chunks_.UsageChunk(ToUsage(totals), options_.extras));
    } else {
      Send(chunks_.Finish(pending_->first, pending_->second, &options_.extras));
    }
    Send("[DONE]");
  }
  void Send(std::string_view data) { send_({}, data); }

  CompletionTextOptions options_;
  const SendEvent send_;
  CompletionChunkWriter chunks_;
  // The last choice that ended: the extras ride on the stream's last chunk.
  std::optional<std::pair<int, FinishReason>> pending_;
};

class CompletionWhole : public WholeText {
 public:
  explicit CompletionWhole(CompletionTextOptions options) : options_(std::move(options)) {
    response_.choices.resize(options_.choices);
    for (uint32_t i = 0; i < options_.choices; ++i) {
      response_.choices[i].index = static_cast<int>(i);
      if (options_.logprobs) response_.choices[i].logprobs.emplace();
    }
  }

  void Take(const answer::Event& event) override {
    CompletionChoice& choice = response_.choices[event.choice];
    if (options_.logprobs) Append(event.scores, *choice.logprobs);
    if (const auto* prompt = std::get_if<answer::Prompt>(&event.body)) {
      choice.text += prompt->text;
    } else if (const auto* text = std::get_if<answer::Text>(&event.body)) {
      choice.text += text->text;
    } else if (const auto* end = std::get_if<answer::ChoiceEnd>(&event.body)) {
      choice.finish_reason = ended_ = ToWire(end->reason);
    } else if (const auto* done = std::get_if<answer::Done>(&event.body)) {
      response_.head = options_.head;
      response_.usage = ToUsage(done->totals);
      response_.extras = options_.extras;
      response_.extras.timings = ToTimings(done->totals);
    }
  }
  std::string_view finish() const override { return Name(ended_); }
  ApiError ToError(const answer::AnswerError& error) const override { return ToApiError(error); }
  std::string Body() override { return WriteCompletion(response_); }

 private:
  const CompletionTextOptions options_;
  CompletionResponse response_;
  FinishReason ended_ = FinishReason::kStop;  // the choice that ended last
};

}  // namespace

std::unique_ptr<StreamText> MakeCompletionStream(CompletionTextOptions options, SendEvent send) {
  return std::make_unique<CompletionStream>(std::move(options), std::move(send));
}
std::unique_ptr<WholeText> MakeCompletionWhole(CompletionTextOptions options) {
  return std::make_unique<CompletionWhole>(std::move(options));
}

}  // namespace infe::api
