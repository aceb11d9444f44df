#include "server/door/auth.h"

#include <algorithm>

#include <fmt/format.h>

#include "refusal/refusal.h"
#include "server/door/door.h"
#include "server/door/errors.h"
#include "server/door/reply.h"
#include "server/door/request_context.h"

namespace infe::server {
namespace {

constexpr int64_t kRetryWhileLoadingMs = 1000;

bool EqualIgnoringCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (std::tolower(static_cast<unsigned char>(a[i])) !=
        std::tolower(static_cast<unsigned char>(b[i])))
      return false;
  return true;
}

// application/json, with or without parameters; a body without a type is taken for JSON.
bool IsJson(std::string_view content_type) {
  std::string_view type = content_type.substr(0, content_type.find(';'));
  while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) type.remove_suffix(1);
  return type.empty() || EqualIgnoringCase(type, "application/json");
}

// Nobody here unpacks a body: "identity", which says that it is not packed, aside.
bool IsPacked(const http::HttpRequest& head) {
  return std::any_of(head.headers.begin(), head.headers.end(), [](const auto& field) {
    return EqualIgnoringCase(field.name, "Content-Encoding") && !field.value.empty() &&
           !EqualIgnoringCase(field.value, "identity");
  });
}

// What a body is, as its head says, where it is no JSON as it stands.
std::optional<refusal::Refusal> RefuseBody(const http::HttpRequest& head) {
  if (head.method != "POST") return std::nullopt;
  const std::string_view type = head.headers.Get("Content-Type");
  if (!IsJson(type)) return refusal::UnsupportedContentType(type);
  if (!IsPacked(head)) return std::nullopt;
  refusal::Refusal error;
  error.status = 415;
  error.message = fmt::format("Unsupported Content-Encoding '{}'. Send the body as it is.",
                              refusal::Quoted(head.headers.Get("Content-Encoding")));
  error.headers = {{"Accept-Encoding", "identity"}};  // RFC 7694
  return error;
}

// The token of "Bearer TOKEN"; the scheme in any case. Nothing for another scheme or none.
std::optional<std::string_view> BearerToken(std::string_view header) {
  constexpr std::string_view kScheme = "Bearer";
  if (header.size() <= kScheme.size() ||
      !EqualIgnoringCase(header.substr(0, kScheme.size()), kScheme) ||
      header[kScheme.size()] != ' ')
    return std::nullopt;
  header.remove_prefix(kScheme.size());
  header.remove_prefix(std::min(header.find_first_not_of(' '), header.size()));
  if (header.empty()) return std::nullopt;
  return header;
}

// What the head presents as its key: a bearer's token, or x-api-key, as Anthropic's clients have
// it. Nothing where there is none. A second credential that is another one is an attempt to have
// two parties read two different ones: then the view is empty, which is no key.
std::optional<std::string_view> Presented(const http::HttpRequest& head) {
  const auto bearer = BearerToken(head.headers.Get("Authorization"));
  const std::string_view plain = head.headers.Get("x-api-key");
  if (!bearer && plain.empty()) return std::nullopt;
  const bool several = head.headers.Count("Authorization") > 1 ||
                       head.headers.Count("x-api-key") > 1 ||
                       (bearer && !plain.empty() && *bearer != plain);
  if (several) return std::string_view();
  return bearer ? *bearer : plain;
}

// The live record of the key that the head presents, of either class.
Result<store::KeyRecord, refusal::Refusal> Identify(Services& services,
                                                    const http::HttpRequest& head,
                                                    const Caller& caller) {
  const auto token = Presented(head);
  if (!token) return refusal::MissingKey();
  auto key = token->empty() ? std::nullopt : services.keys.Find(*token, services.clock.unix_s());
  if (!key) {
    if (services.key_failures.Allow(head.remote_address, caller.arrival))
      return refusal::InvalidKey(*token);
    services.metrics.AddRejected(Rejection::kKeys);
    return refusal::TooManyKeyFailures(FailureThrottle::retry_after().count());
  }
  // The keys of an archived project are dead; which of the two it was is nobody's business.
  if (key->kind == store::KeyKind::kApi && services.projects.IsArchived(key->project))
    return refusal::InvalidKey({});
  return *std::move(key);
}

refusal::Refusal Lacks(store::KeyScope scope) {
  return refusal::InsufficientPermissions(store::ScopeNames(store::Bit(scope)).front());
}

// Leaves the key in caller, if it is one.
std::optional<refusal::Refusal> RefuseKey(Services& services, const http::HttpRequest& head,
                                          const Endpoint& row, Caller& caller, Door door) {
  switch (door) {
    case Door::kOpen:
      if (row.IsAdministration()) return Lacks(*row.admin_scope);
      return std::nullopt;
    case Door::kShut:
      return refusal::KeysMissing();
    case Door::kKeys:
      break;
  }
  auto key = Identify(services, head, caller);
  if (!key) return std::move(key).error();
  if (key->kind != store::KeyKind::kApi) return refusal::InsufficientPermissions("chat");
  caller.key = std::move(*key);
  services.limits.Numbers(caller.key->account, caller.key->limits, caller.rate.emplace().requests,
                          caller.rate->tokens);
  if (!caller.key->Has(*row.api_scope)) return Lacks(*row.api_scope);
  return std::nullopt;
}

// Admin keys by the row's scope for them, API keys only where there is one for theirs: the usage of
// their own project.
std::optional<refusal::Refusal> RefuseOpsKey(Services& services, const http::HttpRequest& head,
                                             const Endpoint* row, Caller& caller) {
  auto key = Identify(services, head, caller);
  if (!key) return std::move(key).error();
  const bool is_admin = key->kind == store::KeyKind::kAdmin;
  std::optional<store::KeyScope> scope;
  if (row != nullptr) scope = is_admin ? row->admin_scope : row->api_scope;
  if (!scope) return refusal::InsufficientPermissions("admin");
  caller.key = std::move(*key);
  if (!caller.key->Has(*scope)) return Lacks(*scope);
  return std::nullopt;
}

// Whichever model the body asks for, its queue is full: no need to read it.
bool AllQueuesFull(const Services& services, const Caller& caller) {
  const auto models = services.models.All();
  const std::string key = caller.pool_key();
  return !models.empty() && std::all_of(models.begin(), models.end(), [&](const auto& model) {
    return model->gate().IsFull(key);
  });
}

// Who asks, and what a head says by itself. Completes caller.
std::optional<refusal::Refusal> RefuseByHead(Services& services, const http::HttpRequest& head,
                                             const Endpoint& row, Caller& caller, Door door) {
  if (auto error = RefuseKey(services, head, row, caller, door)) return error;
  return RefuseBody(head);
}

// The state of the server. REQUIRES: the request counts as live already, so that a server which
// begins to drain either refuses it here or waits for it.
std::optional<refusal::Refusal> RefuseByState(Services& services, const Endpoint& row,
                                              const Caller& caller) {
  switch (services.state.load()) {
    case ServingState::kLoading:
      services.metrics.AddRejected(Rejection::kLoading);
      return refusal::ModelLoading(kRetryWhileLoadingMs);
    case ServingState::kDraining:
      services.metrics.AddRejected(Rejection::kDraining);
      return refusal::ShuttingDown(JitteredRetryMs());
    case ServingState::kReady:
    case ServingState::kLeaving:
      break;
  }
  if (row.cost == Cost::kGenerates && AllQueuesFull(services, caller)) {
    services.metrics.AddRejected(Rejection::kQueueRequests);
    return refusal::Overloaded(JitteredRetryMs());
  }
  return std::nullopt;
}

// The answer, for an error.
std::optional<http::HttpResponse> Verdict(const std::shared_ptr<RequestContext>& context,
                                          const std::optional<refusal::Refusal>& error) {
  if (!error) return std::nullopt;
  context->facts().error_code = ErrorCodeOf(*error);
  const Dialect& dialect = DialectOf(context->endpoint, context->caller);
  return ErrorResponse(dialect, *error,
                       CommonHeaders(context->caller, context->caller.rate, dialect.headers));
}

}  // namespace

std::optional<http::HttpResponse> Authenticate(Services& services, http::HttpRequest& head) {
  Caller caller = ReadCaller(head);
  const Endpoint* row = FindEndpoint(services.endpoints, head);
  LiveRequests* live = nullptr;
  const SettingsPtr settings = services.settings.Get();
  caller.cors_origin = settings->cors.AllowedOrigin(head.headers.Get("Origin"));
  std::optional<refusal::Refusal> error;
  const Door door = DoorFor(services.keys.state(), settings->config.require_keys);
  // With keys there is nothing that a foreign page could do.
  if (door == Door::kOpen && !settings->api_hosts.Allows(head.headers.Get("Host"))) {
    error = refusal::ForeignHost(head.headers.Get("Host"));
  } else if (row != nullptr && row->NeedsKey()) {
    live = &services.live;
    error = RefuseByHead(services, head, *row, caller, door);
  }
  const auto context = std::make_shared<RequestContext>(std::move(caller), live, row);
  head.context = context;
  if (!error && live != nullptr) error = RefuseByState(services, *row, context->caller);
  // A refusal for want of capacity says nothing against the caller.
  head.vouched =
      context->caller.key.has_value() || (live != nullptr && !error && door == Door::kOpen);
  return Verdict(context, error);
}

std::optional<http::HttpResponse> AuthenticateOps(Services& services, http::HttpRequest& head) {
  Caller caller = ReadCaller(head);
  const Endpoint* row = FindEndpoint(services.endpoints, head);
  const std::string_view host = head.headers.Get("Host");
  std::optional<refusal::Refusal> error;
  if (!services.settings.Get()->ops_hosts.Allows(host)) {
    error = refusal::ForeignHost(host);
  } else if (row == nullptr || row->NeedsKey()) {
    error = RefuseOpsKey(services, head, row, caller);
    if (!error) error = RefuseBody(head);
    head.vouched = caller.key.has_value();
  }
  const auto context = std::make_shared<RequestContext>(std::move(caller), nullptr, row);
  head.context = context;
  return Verdict(context, error);
}

}  // namespace infe::server
