#include "server/accounting.h"

#include <algorithm>
#include <chrono>

#include "server/access_line.h"

namespace infe::server {
namespace {

constexpr int kDeadlineStatus = 504;

int64_t UnixMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

GenerationFacts FactsOf(const http::ExchangeRecord& record, const RequestContext& context) {
  GenerationFacts facts;
  facts.finish = ToFinish(context.finish_reason);
  if (record.client_gone)
    facts.finish = Finish::kAbort;
  else if (!context.error_code.empty() || record.status >= 400)
    facts.finish = Finish::kError;
  facts.total_s = std::chrono::duration<double>(record.duration).count();
  facts.queue_s = context.queue_ms / 1000;
  facts.prefill_s = context.prefill_ms / 1000;
  facts.decode_s = context.decode_ms / 1000;
  facts.ttft_s = context.ttft_ms / 1000;
  facts.choices = context.choices;
  facts.tokens_max = context.tokens_max;
  facts.prompt_tokens = context.prompt_tokens;
  facts.completion_tokens = context.completion_tokens;
  return facts;
}

}  // namespace

namespace {

// What is billed, and what was computed for it. An answer that breaks off counts up to its last
// token: of a stream that was sent; of a collected answer it was made for a client that left or set
// too short a deadline. What breaks off by our own fault before the client got anything is free.
Charge::End ChargeOf(const http::ExchangeRecord& record, const RequestContext& context) {
  const bool whole = record.status == 200 && !record.client_gone && context.error_code.empty();
  const int64_t produced = context.produced_tokens.load();
  const bool ours = !record.client_gone && record.status != kDeadlineStatus;
  const int64_t sent = whole ? context.completion_tokens : context.stream || !ours ? produced : 0;
  Charge::End end;
  end.usage.prompt_tokens = whole || sent > 0 ? context.prompt_tokens : 0;
  end.usage.cached_tokens = end.usage.prompt_tokens > 0 ? context.cached_tokens : 0;
  end.usage.completion_tokens = sent;
  end.usage.status = record.client_gone ? kClientGoneStatus : record.status;
  end.usage.finish = record.client_gone ? "abort" : !whole ? "error" : context.finish_reason;
  end.usage.ended_ms = UnixMs();
  if (whole || produced > 0)
    end.work_tokens = context.prompt_tokens - context.cached_tokens + std::max(sent, produced);
  end.refused = record.status == 503 && produced == 0;
  return end;
}

}  // namespace

void Accounting::OnExchangeEnd(const http::ExchangeRecord& record) {
  const auto context = std::static_pointer_cast<RequestContext>(record.context);
  const auto model = context ? models_.Find(context->model) : nullptr;
  metrics_.AddExchange(record.method, record.route,
                       record.client_gone ? kClientGoneStatus : record.status,
                       std::chrono::duration<double>(record.duration).count());
  if (context) {
    context->charge.Settle(ChargeOf(record, *context));
    // Of a request that broke off: what it had produced.
    if (context->completion_tokens == 0 && (record.client_gone || !context->error_code.empty()))
      context->completion_tokens = context->produced_tokens.load();
    if (model && context->produced_tokens.load() > 0)
      metrics_.Model(model->name()).Add(FactsOf(record, *context));
  }
  if (log_)
    log_->Write(AccessLine(record, context.get(), model ? model->name() : std::string(), UnixMs()));
}

}  // namespace infe::server
