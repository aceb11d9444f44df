#include "server/door/admission.h"

#include <algorithm>
#include <chrono>

#include "base/check.h"
#include "server/door/errors.h"
#include "server/endpoint.h"

namespace infe::server {
namespace {

// What an answer without max_tokens is taken for until its end is known: longer than most, short
// enough that a limit of some thousand tokens a minute does not stop every chat.
constexpr uint64_t kAnswerTokensUnstated = 1024;
// Official clients give up rather than wait for longer than two minutes.
constexpr double kRetryAfterMostMs = 60'000;

const char* LimitText(store::LimitKind kind) {
  switch (kind) {
    case store::LimitKind::kRequestsPerMinute:
      return "requests per min (RPM)";
    case store::LimitKind::kTokensPerMinute:
      return "tokens per min (TPM)";
    case store::LimitKind::kConcurrentRequests:
      return "concurrent requests";
    case store::LimitKind::kNone:
    case store::LimitKind::kRequestsPerDay:
    case store::LimitKind::kTokensPerDay:
    case store::LimitKind::kTokensPerMonth:
      break;
  }
  return store::Name(kind);
}

LimitSeries SeriesOf(store::LimitKind kind) {
  switch (kind) {
    case store::LimitKind::kTokensPerMinute:
      return LimitSeries::kTokens;
    case store::LimitKind::kConcurrentRequests:
      return LimitSeries::kConcurrent;
    case store::LimitKind::kRequestsPerDay:
    case store::LimitKind::kTokensPerDay:
    case store::LimitKind::kTokensPerMonth:
      return LimitSeries::kQuota;
    case store::LimitKind::kNone:
    case store::LimitKind::kRequestsPerMinute:
      break;
  }
  return LimitSeries::kRequests;
}

refusal::Refusal LimitError(const store::LimitDecision& decision, const AdmissionAsk& ask) {
  if (decision.quota_spent()) return refusal::QuotaSpent();
  refusal::RateLimitFacts facts;
  facts.kind = decision.refused_by == store::LimitKind::kTokensPerMinute
                   ? refusal::RateKind::kTokens
                   : refusal::RateKind::kRequests;
  facts.model = ask.model->name();
  facts.limit_name = LimitText(decision.refused_by);
  facts.limit = decision.limit;
  facts.used = decision.used;
  facts.requested = decision.asked;
  if (decision.retry_after_ms < 0) return refusal::RequestTooLarge(facts);
  facts.retry_after_ms = decision.retry_after_ms;
  return refusal::RateLimited(facts);
}

// More than any model's.
constexpr uint64_t kContextUnknown = uint64_t{16} << 20;

int64_t TokensToCharge(const AdmissionAsk& ask, const store::KeyLimits& limits) {
  const auto prompt = static_cast<int64_t>(ask.prompt_tokens);
  if (ask.answer_tokens) {
    // Of a model elsewhere nobody here may know the context.
    const uint64_t known = ask.model->context_max();
    const uint64_t context = (known > 0 ? known : kContextUnknown) * ask.sequences;
    return prompt + static_cast<int64_t>(std::min(*ask.answer_tokens, context));
  }
  const int64_t guess = prompt + static_cast<int64_t>(kAnswerTokensUnstated * ask.sequences);
  // A guess of ours must not make a request too large for ever.
  if (limits.tokens_per_minute == 0) return guess;
  return std::min(guess, std::max(limits.tokens_per_minute, prompt + 1));
}

// The one with less left: what a client has to heed.
store::RateNumbers Tighter(const store::RateNumbers& a, const store::RateNumbers& b) {
  if (a.limit == 0) return b;
  if (b.limit == 0) return a;
  return b.remaining < a.remaining ? b : a;
}

// What is given to a request step by step.
struct Grant {
  RateHeaders rate;
  Charge::Holdings holdings;
};

std::optional<refusal::Refusal> TakePermit(Services& services, const AdmissionAsk& ask,
                                           const std::string& account,
                                           const store::KeyLimits& limits, Grant& grant) {
  store::LimitDecision decision = services.limits.Admit({.account = account,
                                                         .limits = limits,
                                                         .requests = ask.sequences,
                                                         .tokens = TokensToCharge(ask, limits)});
  grant.rate = {Tighter(grant.rate.requests, decision.requests),
                Tighter(grant.rate.tokens, decision.tokens)};
  if (!decision.allowed()) {
    services.metrics.AddRateLimited(SeriesOf(decision.refused_by));
    return LimitError(decision, ask);
  }
  grant.holdings.permits.push_back(std::move(decision.permit));
  return std::nullopt;
}

// Of the key, then of its project for this model.
std::optional<refusal::Refusal> TakePermits(Services& services, const store::KeyRecord& key,
                                            const AdmissionAsk& ask, Grant& grant) {
  if (auto error = TakePermit(services, ask, key.account, key.limits, grant)) return error;
  const store::KeyLimits limits = services.projects.LimitsOf(key.project, ask.model->name());
  if (limits == store::KeyLimits{}) return std::nullopt;
  const std::string account = store::ProjectAccount(key.project, ask.model->name());
  return TakePermit(services, ask, account, limits, grant);
}

// What longer prompts would hold of the queue while they are tokenised: they are refused then, and
// nobody waits for them to be computed.
uint64_t PromptTokensToWait(const AdmissionAsk& ask) {
  const uint64_t context = ask.model->context_max();
  return context > 0 ? std::min(ask.prompt_tokens, context * ask.sequences) : ask.prompt_tokens;
}

std::optional<refusal::Refusal> TakePlace(Services& services, const Caller& caller,
                                          const AdmissionAsk& ask, Charge::Holdings& holdings) {
  const double token_ms = ask.model->prefill_ms_per_token();
  QueueGate::Entry entry =
      ask.model->gate().Enter({.sequences = ask.sequences,
                               .prompt_tokens = PromptTokensToWait(ask),
                               .prompt_tokens_max = ask.model->QueueTokensMax(token_ms),
                               .key = caller.pool_key()});
  if (entry.place == nullptr) {
    const bool sequences = entry.refusal == QueueGate::Refusal::kSequences ||
                           entry.refusal == QueueGate::Refusal::kOwnSequences;
    services.metrics.AddRejected(sequences ? Rejection::kQueueRequests : Rejection::kQueueTokens);
    // Until prompts that are in the way have been computed.
    const double over_ms = static_cast<double>(entry.tokens_over) * token_ms;
    const int64_t retry_ms =
        JitteredRetryMs() + static_cast<int64_t>(std::min(over_ms, kRetryAfterMostMs));
    if (entry.refusal == QueueGate::Refusal::kOwnPromptTokens ||
        entry.refusal == QueueGate::Refusal::kOwnSequences)
      return refusal::TooManyWaiting(retry_ms);
    return refusal::Overloaded(retry_ms);
  }
  holdings.place = std::move(entry.place);
  return std::nullopt;
}

std::optional<refusal::Refusal> TakeRow(Services& services, const Reply& reply,
                                        const AdmissionAsk& ask, Charge::Holdings& holdings) {
  const Caller& caller = reply.caller();
  store::UsageStart start;
  start.request_id = caller.request_id;
  start.project = caller.project();
  if (caller.key) {
    start.key_id = caller.key->id;
    start.account = caller.key->account;
  }
  start.model = ask.model->name();
  start.endpoint = reply.endpoint()->pattern;
  start.service_tier = ask.service_tier;
  start.end_user = ask.end_user;
  const store::StoreClock::Reading now = services.clock.Now();
  start.started_ms = now.unix_ms;
  start.in_jump = now.jumped;
  start.reserved_tokens = TokensToCharge(ask, {});
  auto row = services.ledger.Reserve(std::move(start));
  if (!row) {
    services.metrics.AddRejected(Rejection::kLedger);
    return refusal::Overloaded(JitteredRetryMs());
  }
  holdings.row = std::move(*row);
  return std::nullopt;
}

}  // namespace

std::optional<refusal::Refusal> Admit(Services& services, Reply& reply, const AdmissionAsk& ask) {
  INFE_CHECK(reply.endpoint() != nullptr);
  switch (reply.endpoint()->cost) {
    case Cost::kFree:
    case Cost::kReads:
      return std::nullopt;
    case Cost::kGenerates:
      break;
  }
  const Caller& caller = reply.caller();
  Grant grant;
  std::optional<refusal::Refusal> error;
  if (caller.key) {
    error = TakePermits(services, *caller.key, ask, grant);
    reply.set_rate(grant.rate);
  }
  if (!error) error = TakePlace(services, caller, ask, grant.holdings);
  if (!error) error = TakeRow(services, reply, ask, grant.holdings);
  if (error) {
    for (const auto& permit : grant.holdings.permits) permit->Cancel();
    return error;
  }
  reply.charge().Take(std::move(grant.holdings));
  return std::nullopt;
}

bool MayUse(const Caller& caller, const ServedModel& model, std::string_view name) {
  return !caller.key || caller.key->MayUseModel(name) || caller.key->MayUseModel(model.name());
}

std::shared_ptr<ServedModel> FindModel(const Services& services, const Caller& caller,
                                       std::string_view name) {
  auto model = services.models.Find(name);
  if (model && !MayUse(caller, *model, name)) return nullptr;
  return model;
}

}  // namespace infe::server
