// Whether a request may run, decided in a fixed order, each step cheaper than what follows it: the
// model, the limits of its key, the queue, the ledger. All of it happens before the prompt is
// tokenised; afterwards the request's Charge holds what it was given.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "refusal/refusal.h"
#include "server/door/reply.h"
#include "server/services.h"

namespace infe::server {

struct AdmissionAsk {
  std::shared_ptr<ServedModel> model;
  std::string service_tier = "default";
  std::string end_user;                   // whom the client names, for the ledger
  uint32_t sequences = 1;                 // choices of all prompts
  uint64_t prompt_tokens = 0;             // an estimate, of all sequences
  std::optional<uint64_t> answer_tokens;  // max_tokens of all sequences, where it was given
};

// What the endpoint's row says that a request costs. Nothing: admitted, and the reply's charge
// holds it. Either way the reply gets the key's limits as they are now. Task thread; never waits,
// unless limits are shared through a database.
std::optional<refusal::Refusal> Admit(Services& services, Reply& reply, const AdmissionAsk& ask);

// The served model of that name, if there is one that the key may use.
std::shared_ptr<ServedModel> FindModel(const Services& services, const Caller& caller,
                                       std::string_view name);
bool MayUse(const Caller& caller, const ServedModel& model, std::string_view name);

// What a body of that many bytes may hold: a token of English is some four bytes.
inline uint64_t EstimatePromptTokens(size_t body_bytes) {
  return body_bytes / 4 + 1;
}

}  // namespace infe::server
