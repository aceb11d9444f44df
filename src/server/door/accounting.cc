#include "server/door/accounting.h"

#include <algorithm>
#include <chrono>

#include "server/door/access_line.h"
#include "server/endpoint.h"

namespace infe::server {
namespace {

constexpr int kDeadlineStatus = 504;

int64_t UnixMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

GenerationFacts FactsOf(const http::ExchangeRecord& record, const RequestFacts& request) {
  GenerationFacts facts;
  facts.finish = ToFinish(request.finish_reason);
  if (record.client_gone)
    facts.finish = Finish::kAbort;
  else if (!request.error_code.empty() || record.status >= 400)
    facts.finish = Finish::kError;
  facts.total_s = std::chrono::duration<double>(record.duration).count();
  facts.queue_s = request.queue_ms / 1000;
  facts.prefill_s = request.prefill_ms / 1000;
  facts.decode_s = request.decode_ms / 1000;
  facts.ttft_s = request.ttft_ms / 1000;
  facts.choices = request.choices;
  facts.tokens_max = request.tokens_max;
  facts.prompt_tokens = request.prompt_tokens;
  facts.completion_tokens = request.completion_tokens;
  return facts;
}

}  // namespace

namespace {

// What is billed, and what was computed for it. An answer that breaks off counts up to its last
// token: of a stream that was sent; of a collected answer it was made for a client that left or set
// too short a deadline. What breaks off by our own fault before the client got anything is free.
Charge::End ChargeOf(const http::ExchangeRecord& record, const RequestFacts& request) {
  const bool whole = record.status == 200 && !record.client_gone && request.error_code.empty();
  const int64_t produced = request.produced_tokens;
  const bool ours = !record.client_gone && record.status != kDeadlineStatus;
  const int64_t sent = whole ? request.completion_tokens : request.stream || !ours ? produced : 0;
  Charge::End end;
  end.usage.prompt_tokens = whole || sent > 0 ? request.prompt_tokens : 0;
  end.usage.cached_tokens = end.usage.prompt_tokens > 0 ? request.cached_tokens : 0;
  end.usage.completion_tokens = sent;
  end.usage.status = record.client_gone ? kClientGoneStatus : record.status;
  end.usage.finish = record.client_gone ? "abort" : !whole ? "error" : request.finish_reason;
  end.usage.upstream = request.upstream;
  end.usage.ended_ms = UnixMs();
  if (whole || produced > 0)
    end.work_tokens = request.prompt_tokens - request.cached_tokens + std::max(sent, produced);
  end.refused = record.status == 503 && produced == 0;
  return end;
}

}  // namespace

void Accounting::OnExchangeEnd(const http::ExchangeRecord& record) {
  const auto context = std::static_pointer_cast<RequestContext>(record.context);
  if (context) context->Cancel();
  RequestFacts facts = context ? context->facts() : RequestFacts{};
  const auto model = context ? models_.Find(facts.model) : nullptr;
  metrics_.AddExchange(record.method, record.route,
                       record.client_gone ? kClientGoneStatus : record.status,
                       std::chrono::duration<double>(record.duration).count());
  if (context) {
    context->charge.Settle(ChargeOf(record, facts));
    // Of a request that broke off: what it had produced.
    if (facts.completion_tokens == 0 && (record.client_gone || !facts.error_code.empty()))
      facts.completion_tokens = facts.produced_tokens;
    // Vectors, and prompts that were only scored, come to an end without a token.
    if (model && (facts.produced_tokens > 0 || !facts.finish_reason.empty()))
      metrics_.Model(model->name()).Add(FactsOf(record, facts));
  }
  // Polls that are answered are no news; one that is refused is.
  const bool is_news = record.status != 200 || !context || context->endpoint == nullptr ||
                       !context->endpoint->is_polled;
  if (log_ && is_news)
    log_->Write(AccessLine(record, context ? &context->caller : nullptr, facts,
                           model ? model->name() : std::string(), UnixMs()));
}

}  // namespace infe::server
