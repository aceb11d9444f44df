#include "server/auth.h"

#include <ctime>

#include "api/api_error.h"
#include "server/errors.h"
#include "server/request_context.h"

namespace infe::server {
namespace {

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

}  // namespace

namespace {

// Who asks; leaves the key in the context. Nothing wrong: nothing returned.
std::optional<api::ApiError> Identify(Services& services, const http::HttpRequest& head,
                                      RequestContext& context) {
  if (!services.keys.HasKeys()) return std::nullopt;
  // Two credentials are an attempt to have two parties read two different ones.
  if (head.headers.Count("Authorization") > 1) return api::InvalidKey("");
  const auto token = BearerToken(head.headers.Get("Authorization"));
  if (!token) return api::MissingKey();
  auto key = services.keys.Find(*token, std::time(nullptr));
  if (!key) return api::InvalidKey(*token);
  context.key = std::move(*key);
  return std::nullopt;
}

}  // namespace

std::optional<http::HttpResponse> Authenticate(Services& services, http::HttpRequest& head) {
  const auto context = NewRequestContext(head);
  head.context = context;
  if (!head.path.starts_with("/v1/")) return std::nullopt;
  std::optional<api::ApiError> error = Identify(services, head, *context);
  if (!error && services.state.load() == ServingState::kLoading) error = api::ModelLoading(1000);
  if (!error && head.method == "POST" && !IsJson(head.headers.Get("Content-Type")))
    error = api::UnsupportedContentType(head.headers.Get("Content-Type"));
  if (!error) return std::nullopt;
  context->error_code = error->code.value_or(error->type);
  return ErrorResponse(*error, CommonHeaders(*context));
}

}  // namespace infe::server
