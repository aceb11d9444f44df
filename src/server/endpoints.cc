#include "server/endpoints.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "server/handlers/admin.h"
#include "server/handlers/handlers.h"
#include "server/handlers/kept.h"

namespace infe::server {
namespace {

using store::KeyScope;

// A context of 128k tokens is under 1 MiB of text; the rest is room for images and schemas.
constexpr uint64_t kPromptBytesMax = uint64_t{16} << 20;
// A key's list of models is the longest thing in administration: a thousand names of a kilobyte.
constexpr uint64_t kAdminBytesMax = uint64_t{1} << 20;
// Bodies that nobody reads: some clients send {} with a GET.
constexpr uint64_t kUnreadBytesMax = uint64_t{64} << 10;

using Handler = decltype(Endpoint::handle);

// ---- The kinds of rows.

constexpr Endpoint Prompt(const char* pattern, Cost cost, Handler handle, KeyScope scope) {
  return {.method = "POST",
          .pattern = pattern,
          .api_scope = scope,
          .admin_scope = {},
          .cost = cost,
          .body_bytes_max = kPromptBytesMax,
          .handle = handle};
}
constexpr Endpoint Generates(const char* pattern, Handler handle,
                             KeyScope scope = KeyScope::kChat) {
  return Prompt(pattern, Cost::kGenerates, handle, scope);
}
constexpr Endpoint Reads(const char* pattern, Handler handle, KeyScope scope = KeyScope::kChat) {
  return Prompt(pattern, Cost::kReads, handle, scope);
}
constexpr Endpoint Message(const char* pattern, Cost cost, Handler handle) {
  Endpoint row = Prompt(pattern, cost, handle, KeyScope::kMessages);
  row.dialect = &kAnthropic;
  return row;
}
constexpr Endpoint Look(const char* pattern, KeyScope scope, Handler handle) {
  return {.method = "GET",
          .pattern = pattern,
          .api_scope = scope,
          .admin_scope = {},
          .body_bytes_max = kUnreadBytesMax,
          .handle = handle};
}
// What clients have left here.
constexpr Endpoint Kept(const char* method, const char* pattern, Handler handle,
                        uint64_t body_bytes_max = kUnreadBytesMax,
                        KeyScope scope = KeyScope::kResponses) {
  return {.method = method,
          .pattern = pattern,
          .api_scope = scope,
          .admin_scope = {},
          .body_bytes_max = body_bytes_max,
          .handle = handle};
}
constexpr Endpoint KeptChat(const char* method, const char* pattern, Handler handle) {
  return Kept(method, pattern, handle, kUnreadBytesMax, KeyScope::kChat);
}
constexpr Endpoint Open(const char* pattern, Where where, Handler handle) {
  return {.method = "GET",
          .pattern = pattern,
          .where = where,
          .api_scope = {},
          .admin_scope = {},
          .body_bytes_max = kUnreadBytesMax,
          .handle = handle};
}
// One address on both listeners, another page on each.
constexpr Endpoint Page(const char* pattern, Handler api, Handler ops) {
  Endpoint row = Open(pattern, Where::kBoth, api);
  row.handle_ops = ops;
  return row;
}
// What routers ask every second.
constexpr Endpoint Polled(const char* pattern, Handler handle) {
  Endpoint row = Open(pattern, Where::kApi, handle);
  row.is_polled = true;
  return row;
}
constexpr Endpoint Scraped(const char* pattern, Handler api, Handler ops) {
  Endpoint row = Page(pattern, api, ops);
  row.is_polled = true;
  return row;
}
constexpr Endpoint Models(const char* pattern, Handler handle) {
  Endpoint row = Look(pattern, KeyScope::kModelsRead, handle);
  row.to_anthropic = &kAnthropic;
  return row;
}
// An API key with usage.read sees its own project's, on either listener.
constexpr Endpoint Usage(const char* pattern, Handler handle) {
  return {.method = "GET",
          .pattern = pattern,
          .where = Where::kBoth,
          .api_scope = KeyScope::kUsageRead,
          .admin_scope = KeyScope::kAdminUsage,
          .body_bytes_max = kUnreadBytesMax,
          .handle = handle};
}
constexpr Endpoint Admin(const char* method, const char* pattern, Handler handle,
                         KeyScope scope = KeyScope::kAdminKeys) {
  return {.method = method,
          .pattern = pattern,
          .where = Where::kOps,
          .api_scope = {},
          .admin_scope = scope,
          .body_bytes_max = kAdminBytesMax,
          .handle = handle};
}

constexpr Endpoint kEndpoints[] = {
    Generates("/v1/chat/completions", HandleChatCompletions),
    Reads("/v1/chat/completions/input_tokens", HandleInputTokens),
    Reads("/v1/chat/completions/render", HandleRender),
    KeptChat("GET", "/v1/chat/completions", Keep<ListChats>),
    KeptChat("GET", "/v1/chat/completions/{id}", Keep<GetChat>),
    KeptChat("POST", "/v1/chat/completions/{id}", Keep<UpdateChat>),
    KeptChat("DELETE", "/v1/chat/completions/{id}", Keep<DeleteChat>),
    KeptChat("GET", "/v1/chat/completions/{id}/messages", Keep<ListChatMessages>),
    Generates("/v1/completions", HandleCompletions),
    Reads("/v1/completions/render", HandleRenderCompletion),
    Message("/v1/messages", Cost::kGenerates, HandleMessages),
    Message("/v1/messages/count_tokens", Cost::kReads, HandleCountTokens),
    Generates("/v1/responses", HandleResponses, KeyScope::kResponses),
    Reads("/v1/responses/input_tokens", HandleResponseInputTokens, KeyScope::kResponses),
    Kept("POST", "/v1/responses/compact", Keep<RefuseCompaction>, kPromptBytesMax),
    Kept("GET", "/v1/responses/{id}", Keep<GetResponse>),
    Kept("DELETE", "/v1/responses/{id}", Keep<DeleteResponse>),
    Kept("POST", "/v1/responses/{id}/cancel", Keep<CancelResponse>),
    Kept("GET", "/v1/responses/{id}/input_items", Keep<ListInputItems>),
    Kept("POST", "/v1/conversations", Keep<CreateConversation>, kPromptBytesMax),
    Kept("GET", "/v1/conversations/{id}", Keep<GetConversation>),
    Kept("POST", "/v1/conversations/{id}", Keep<UpdateConversation>),
    Kept("DELETE", "/v1/conversations/{id}", Keep<DeleteConversation>),
    Kept("POST", "/v1/conversations/{id}/items", Keep<AddConversationItems>, kPromptBytesMax),
    Kept("GET", "/v1/conversations/{id}/items", Keep<ListConversationItems>),
    Kept("GET", "/v1/conversations/{id}/items/{item}", Keep<GetConversationItem>),
    Kept("DELETE", "/v1/conversations/{id}/items/{item}", Keep<DeleteConversationItem>),
    Reads("/v1/tokenize", HandleTokenize),
    Reads("/v1/detokenize", HandleDetokenize),
    Reads("/tokenize", HandleTokenize),
    Reads("/detokenize", HandleDetokenize),
    Generates("/v1/embeddings", HandleEmbeddings, KeyScope::kEmbeddings),
    Generates("/v1/rerank", HandleRerank, KeyScope::kEmbeddings),
    Generates("/v2/rerank", HandleRerank, KeyScope::kEmbeddings),
    Generates("/rerank", HandleRerank, KeyScope::kEmbeddings),
    Models("/v1/models", HandleListModels),
    Models("/v1/models/{id*}", HandleGetModel),

    Page("/", HandleRoot, HandleOpsRoot),
    Open("/web/{file*}", Where::kBoth, HandleWebFile),
    Open("/livez", Where::kBoth, HandleLive),
    Open("/readyz", Where::kBoth, HandleReady),
    Open("/health", Where::kBoth, HandleReady),
    Polled("/server_info", HandleServerInfo),
    Polled("/get_server_info", HandleServerInfo),
    Polled("/model_info", HandleModelInfo),
    Polled("/get_model_info", HandleModelInfo),
    Polled("/get_load", HandleLoad),
    Polled("/get_loads", HandleLoads),
    Polled("/load", HandleServerLoad),
    Scraped("/metrics", HandleApiMetrics, HandleMetrics),
    Open("/metrics/history", Where::kOps, HandleLoadHistory),
    Open("/version", Where::kOps, HandleVersion),

    Usage("/v1/organization/usage/completions", Administer<ListUsage>),
    Usage("/v1/organization/usage/embeddings", Administer<ListEmbeddingsUsage>),
    Usage("/v1/organization/costs", Administer<ListCosts>),
    Admin("GET", "/v1/organization/projects", Administer<ListProjects>),
    Admin("POST", "/v1/organization/projects", Administer<CreateProject>),
    Admin("GET", "/v1/organization/projects/{project}", Administer<GetProject>),
    Admin("POST", "/v1/organization/projects/{project}", Administer<UpdateProject>),
    Admin("POST", "/v1/organization/projects/{project}/archive", Administer<ArchiveProject>),
    Admin("GET", "/v1/organization/projects/{project}/rate_limits", Administer<ListRateLimits>),
    Admin("POST", "/v1/organization/projects/{project}/rate_limits/{limit}",
          Administer<UpdateRateLimit>),
    Admin("GET", "/v1/organization/projects/{project}/service_accounts",
          Administer<ListServiceAccounts>),
    Admin("POST", "/v1/organization/projects/{project}/service_accounts",
          Administer<CreateServiceAccount>),
    Admin("GET", "/v1/organization/projects/{project}/service_accounts/{account}",
          Administer<GetServiceAccount>),
    Admin("POST", "/v1/organization/projects/{project}/service_accounts/{account}",
          Administer<UpdateServiceAccount>),
    Admin("DELETE", "/v1/organization/projects/{project}/service_accounts/{account}",
          Administer<DeleteServiceAccount>),
    Admin("GET", "/v1/organization/projects/{project}/api_keys", Administer<ListProjectKeys>),
    Admin("GET", "/v1/organization/projects/{project}/api_keys/{key}", Administer<GetProjectKey>),
    Admin("POST", "/v1/organization/projects/{project}/api_keys/{key}",
          Administer<UpdateProjectKey>),
    Admin("DELETE", "/v1/organization/projects/{project}/api_keys/{key}",
          Administer<DeleteProjectKey>),
    Admin("GET", "/v1/organization/admin_api_keys", Administer<ListAdminKeys>),
    Admin("POST", "/v1/organization/admin_api_keys", Administer<CreateAdminKey>),
    Admin("GET", "/v1/organization/admin_api_keys/{key}", Administer<GetAdminKey>),
    Admin("DELETE", "/v1/organization/admin_api_keys/{key}", Administer<DeleteAdminKey>),
    Admin("GET", "/v1/organization/audit_logs", Administer<ListAudit>, KeyScope::kAdminServer),
};

const char* Name(Where where) {
  switch (where) {
    case Where::kApi:
      return "API";
    case Where::kOps:
      return "operations";
    case Where::kBoth:
      return "both";
  }
  return "";
}

const char* Name(Cost cost) {
  switch (cost) {
    case Cost::kFree:
      return "free";
    case Cost::kReads:
      return "reads";
    case Cost::kGenerates:
      return "generates";
  }
  return "";
}

std::string Keys(const Endpoint& row) {
  std::string keys;
  for (const auto& scope : {row.api_scope, row.admin_scope})
    if (scope)
      keys += fmt::format("{}`{}`", keys.empty() ? "" : " or ",
                          store::ScopeNames(store::Bit(*scope)).front());
  return keys.empty() ? "no key" : keys;
}

std::string Dialects(const Endpoint& row) {
  if (row.to_anthropic == nullptr) return row.dialect->name;
  return fmt::format("{} or {}", row.dialect->name, row.to_anthropic->name);
}

std::string Bytes(uint64_t bytes) {
  return bytes >= uint64_t{1} << 20 ? fmt::format("{} MiB", bytes >> 20)
                                    : fmt::format("{} KiB", bytes >> 10);
}

}  // namespace

std::span<const Endpoint> Endpoints() {
  return kEndpoints;
}

http::Router MakeRoutes(Services& services, Listener listener, std::span<const Endpoint> rows) {
  http::Router router;
  for (const Endpoint& row : rows) {
    if (!row.IsOn(listener)) continue;
    const bool is_other = listener == Listener::kOps && row.handle_ops != nullptr;
    router.Add(row.method, row.pattern,
               [&services, handle = is_other ? row.handle_ops : row.handle](
                   http::HttpRequest request, WriterPtr writer) {
                 handle(services, std::move(request), std::move(writer));
               },
               {.body_bytes_max = row.body_bytes_max});
  }
  return router;
}

const Endpoint* FindEndpoint(std::span<const Endpoint> rows, const http::HttpRequest& request) {
  // Views both: of a literal and a string the conditional would make a string that is gone at once.
  const std::string_view asked = request.method;
  const std::string_view method = asked == "HEAD" ? "GET" : asked;
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const Endpoint& row) {
    return request.route == row.pattern && method == row.method;
  });
  return found == rows.end() ? nullptr : &*found;
}

std::string EndpointsAsMarkdown(std::span<const Endpoint> rows) {
  std::string text =
      "| endpoint | listener | a key with | cost | dialect | body up to "
      "|\n|---|---|---|---|---|---|\n";
  for (const Endpoint& row : rows)
    text += fmt::format("| `{} {}` | {} | {} | {} | {} | {} |\n", row.method, row.pattern,
                        Name(row.where), Keys(row), Name(row.cost), Dialects(row),
                        Bytes(row.body_bytes_max));
  return text;
}

}  // namespace infe::server
