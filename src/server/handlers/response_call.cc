#include "server/handlers/response_call.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include <fmt/format.h>

#include "api/openai/kept_page.h"
#include "api/openai/responses/ask.h"
#include "api/openai/responses/kept.h"
#include "base/json.h"
#include "server/door/admission.h"
#include "server/door/errors.h"
#include "server/handlers/ask_stages.h"
#include "server/handlers/kept.h"
#include "server/handlers/parse_options.h"

namespace infe::server {
namespace {

namespace responses = api::responses;
using responses::Item;

AdmissionAsk AskOf(const ResponseCall& call) {
  AdmissionAsk ask;
  ask.model = call.model;
  if (call.request.service_tier) ask.service_tier = api::Name(*call.request.service_tier);
  ask.end_user =
      call.request.safety_identifier.empty() ? call.request.user : call.request.safety_identifier;
  ask.prompt_tokens = EstimatePromptTokens(call.body_bytes);
  if (call.request.max_output_tokens)
    ask.answer_tokens = static_cast<uint64_t>(*call.request.max_output_tokens);
  return ask;
}

void NoteAsked(const responses::Request& request, const Reply& reply) {
  const int64_t tokens_max = request.max_output_tokens.value_or(0);
  reply.Note(
      [model = request.model, stream = request.streaming.stream, tokens_max](RequestFacts& facts) {
        facts.model = model;
        facts.stream = stream;
        facts.tokens_max = static_cast<uint32_t>(std::clamp<int64_t>(tokens_max, 0, UINT32_MAX));
      });
}

// Whoever may not leave anything here gets an answer that is not kept, unless it cannot be one.
std::optional<api::ApiError> CheckStorage(ResponseCall& call) {
  responses::Request& request = call.request;
  if (call.stores) return std::nullopt;
  if (request.background)
    return api::UnsupportedValue("background", "true", "false: nothing is kept here");
  if (!request.conversation.empty())
    return api::UnsupportedParameter("conversation", "Nothing is kept here.");
  request.store = false;
  return std::nullopt;
}

void Append(std::vector<Item>& to, std::vector<Item> from) {
  std::move(from.begin(), from.end(), std::back_inserter(to));
}

// A kept response's own input, then its output.
std::optional<api::ApiError> AppendExchange(const store::KeptObject& object,
                                            std::vector<Item>& to) {
  auto input = responses::ReadItems(object.input);
  if (!input) return std::move(input).error();
  auto output = responses::ReadItems(object.body, "output");
  if (!output) return std::move(output).error();
  Append(to, *std::move(input));
  Append(to, *std::move(output));
  return std::nullopt;
}

std::optional<api::ApiError> LoadPrevious(Services& services, ResponseCall& call) {
  const std::string& id = call.request.previous_response_id;
  const int64_t now = services.clock.unix_s();
  // Each exchange is a message or more.
  auto chain =
      services.kept.Chain(call.project, id, ParseOptionsOf(call.settings->config).messages_max, now,
                          now + KeptSeconds(*call.settings));
  if (!chain && chain.error().code != ErrorCode::kNotFound) return DatabaseError();
  if (!chain || chain->empty() || chain->back().kind != store::KeptKind::kResponse)
    return responses::PreviousNotKept(id);
  if (auto error = EndOrphan(services, chain->back())) return error;
  if (chain->back().boot != 0)
    return api::InvalidValue("previous_response_id",
                             fmt::format("Response '{}' is still in progress.", id));
  for (const store::KeptObject& object : *chain)
    if (auto error = AppendExchange(object, call.history)) return error;
  return std::nullopt;
}

// A conversation that goes on lives on; its end is put off by days, not with every turn.
void Prolong(Services& services, store::KeptObject conversation, int64_t expires_at) {
  constexpr int64_t kStep = 24 * 60 * 60;
  if (conversation.expires_at + kStep >= expires_at) return;
  conversation.expires_at = expires_at;
  services.kept.Put(std::move(conversation));
}

std::optional<api::ApiError> LoadConversation(Services& services, ResponseCall& call) {
  const std::string& id = call.request.conversation;
  const auto found = services.kept.Find(call.project, id, services.clock.unix_s());
  if (!found) return DatabaseError();
  if (!*found || (*found)->kind != store::KeptKind::kConversation)
    return api::NotKept("Conversation", id);
  Prolong(services, **found, services.clock.unix_s() + KeptSeconds(*call.settings));
  const auto items = services.kept.Items(
      call.project, id,
      {.ascending = true, .limit = ParseOptionsOf(call.settings->config).messages_max});
  if (!items) return DatabaseError();
  std::string array = "[";
  for (const store::KeptItem& item : *items) {
    if (array.size() > 1) array += ',';
    array += item.body;
  }
  auto read = responses::ReadItems(array + ']');
  if (!read) return std::move(read).error();
  Append(call.history, *std::move(read));
  return std::nullopt;
}

// An item's id is made of its response's (object.h), so that tells where to look.
std::optional<api::ApiError> Dereference(Services& services, const ResponseCall& call,
                                         Item& reference) {
  const std::string id = reference.id;
  std::vector<Item> candidates;
  if (const std::string owner = responses::ResponseIdOf(id); !owner.empty()) {
    const auto found = services.kept.Find(call.project, owner, services.clock.unix_s());
    if (!found) return DatabaseError();
    if (*found)
      if (auto error = AppendExchange(**found, candidates)) return error;
  }
  candidates.insert(candidates.end(), call.history.begin(), call.history.end());
  for (Item& candidate : candidates)
    if (candidate.id == id && candidate.kind != Item::Kind::kReference) {
      reference = std::move(candidate);
      return std::nullopt;
    }
  api::ApiError error = api::NotKept("Item", id);
  error.param = "input";
  return error;
}

// What is kept of it: made here, its body at the end.
void PlanKeeping(const Services& services, ResponseCall& call) {
  const responses::Request& request = call.request;
  if (!request.conversation.empty())
    for (size_t i = 0; i < request.input.size(); ++i) {
      const Json shown = responses::ShownItem(request.input[i], responses::InputItemId(call.id, i));
      call.new_items.push_back({shown.find("id")->as_string(), shown.Dump()});
    }
  if (!request.store) return;
  call.kept = std::make_shared<store::KeptObject>();
  call.kept->project = call.project;
  call.kept->id = call.id;
  call.kept->created_at = call.created_at;
  call.kept->expires_at = services.clock.unix_s() + KeptSeconds(*call.settings);
  call.kept->parent = request.previous_response_id;
  call.kept->model = request.model;
  call.kept->input = responses::WriteInputItems(request.input, call.id);
}

std::vector<store::KeptItem> ItemsOf(const std::string& array) {
  std::vector<store::KeptItem> items;
  const auto json = ParseJson(array, {.depth = 1024});
  if (!json || !json->is_array()) return items;
  for (const Json& item : json->array())
    items.push_back({item.find("id")->as_string(), item.Dump()});
  return items;
}

}  // namespace

api::Parsed<ResponseCallPtr> ReadResponseCall(Services& services, const http::HttpRequest& http,
                                              const Reply& reply) {
  auto call = std::make_shared<ResponseCall>();
  call->body_bytes = http.body.size();
  call->settings = services.settings.Get();
  auto request = responses::ParseRequest(http.body, ParseOptionsOf(call->settings->config));
  if (!request) return std::move(request).error();
  call->request = std::move(*request);
  call->project = reply.caller().project();
  call->stores = MayKeep(*call->settings, reply.caller());
  call->id = responses::NewResponseId();
  call->created_at = std::time(nullptr);
  NoteAsked(call->request, reply);
  call->model = FindModel(services, reply.caller(), call->request.model);
  if (!call->model) return api::UnknownModel(call->request.model);
  if (auto error = CheckStorage(*call)) return *std::move(error);
  if (call->request.store && services.kept.Full()) return api::Overloaded(JitteredRetryMs());
  return call;
}

std::optional<api::ApiError> AdmitResponse(Services& services, const ResponseCall& call,
                                           Reply& reply) {
  return Admit(services, reply, AskOf(call));
}

bool HasHistory(const ResponseCall& call) {
  const responses::Request& request = call.request;
  return !request.previous_response_id.empty() || !request.conversation.empty() ||
         std::any_of(request.input.begin(), request.input.end(),
                     [](const Item& item) { return item.kind == Item::Kind::kReference; });
}

std::optional<api::ApiError> LoadHistory(Services& services, ResponseCall& call) {
  if (!call.request.previous_response_id.empty())
    if (auto error = LoadPrevious(services, call)) return error;
  if (!call.request.conversation.empty())
    if (auto error = LoadConversation(services, call)) return error;
  for (Item& item : call.request.input)
    if (item.kind == Item::Kind::kReference)
      if (auto error = Dereference(services, call, item)) return error;
  return std::nullopt;
}

std::optional<api::ApiError> PrepareResponse(Services& services, ResponseCall& call,
                                             const Reply& reply) {
  auto ask = responses::ToAsk(call.request, call.history, ParseOptionsOf(call.settings->config));
  if (!ask) return std::move(ask).error();
  PlanKeeping(services, call);
  call.history.clear();  // as large as the body, and more, is
  call.request.input.clear();
  if (reply.endpoint()->cost == Cost::kReads) ask->purpose = answer::Purpose::kLook;
  ask->caller = ToAsk(services, reply, call.request.prompt_cache_key, ask->caller.priority);
  auto prepared = call.model->backend().Prepare(std::move(*ask), PolicyOf(call.settings->config));
  if (!prepared) return responses::ToError(prepared.error());
  call.prepared = std::move(*prepared);
  for (const answer::Origin& name : call.prepared->facts().ignored) call.request.ignored.Add(name);
  NotePrompt(reply, call.prepared->facts());
  return std::nullopt;
}

responses::OutputOptions OutputOf(Services& services, const ResponseCall& call) {
  const responses::Request& request = call.request;
  const answer::PreparedFacts& facts = call.prepared->facts();
  const answer::ModelFacts& model = call.model->backend().facts();
  responses::OutputOptions options;
  options.frame.id = call.id;
  options.frame.created_at = call.created_at;
  options.frame.fingerprint = model.fingerprint;
  options.frame.members = responses::EchoMembers(
      request,
      {model.sampling_defaults.temperature.value_or(1), model.sampling_defaults.top_p.value_or(1)});
  options.frame.seed = facts.seed;
  options.frame.truncated_messages = facts.truncated_messages;
  options.frame.unenforced = facts.unenforced;
  options.frame.left_out = request.tool_use.left_out;
  options.grouped = request.tool_use.grouped;
  options.logprobs = request.logprobs;
  options.reasoning_as_summary = request.reasoning.summary.has_value();
  options.seals_reasoning = request.reasoning.sealed;
  options.obfuscates = request.streaming.include_obfuscation;
  options.is_queued = request.background;
  if (!call.kept && call.request.conversation.empty()) return options;
  options.keep = [&kept = services.kept, object = call.kept, project = call.project,
                  conversation = request.conversation,
                  input = call.new_items](responses::Status status, const std::string& response,
                                          const std::string& items) {
    if (object) {
      object->body = response;
      object->boot = 0;
      kept.Put(*object);
    }
    // A conversation goes on with what was answered, not with what failed.
    if (conversation.empty() || status == responses::Status::kFailed) return;
    std::vector<store::KeptItem> added = input;
    for (store::KeptItem& item : ItemsOf(items)) added.push_back(std::move(item));
    kept.AddItems(project, conversation, std::move(added));
  };
  return options;
}

http::Headers NotesOf(const ResponseCall& call) {
  const answer::PreparedFacts& facts = call.prepared->facts();
  http::Headers headers;
  if (facts.truncated_messages > 0)
    headers.Set("x-infe-truncated-messages", fmt::format("{}", facts.truncated_messages));
  if (!call.request.ignored.empty())
    headers.Set("x-infe-ignored-params", call.request.ignored.Header());
  if (call.request.tool_use.left_out.empty()) return headers;
  api::IgnoredParams names;  // they come from the client: only what a header may hold
  for (const std::string& type : call.request.tool_use.left_out) names.Add(type);
  headers.Set("x-infe-left-out", names.Header());
  return headers;
}

}  // namespace infe::server
