#include "api/anthropic/error.h"

#include <fmt/format.h>

#include "api/json_text.h"
#include "api/openai/answer_error.h"

namespace infe::api::anthropic {

std::string_view ErrorType(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 402:
      return "billing_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 408:
    case 504:
      return "timeout_error";
    case 429:
      return "rate_limit_error";
    case 503:
    case 529:
      return "overloaded_error";
    default:
      return status >= 500 ? "api_error" : "invalid_request_error";
  }
}

std::string WriteError(const ApiError& error) {
  std::string out;
  ObjectText body(out);
  body.String("type", "error");
  ObjectText inner(body.Key("error"));
  inner.String("type", ErrorType(error.status));
  inner.String("message", error.message);
  if (error.code) {
    ObjectText details(inner.Key("details"));
    details.String("error_code", *error.code);
    details.Close();
  }
  inner.Close();
  if (error.request_id.empty())
    body.Null("request_id");
  else
    body.String("request_id", error.request_id);
  body.Close();
  return out;
}

ApiError ToApiError(const answer::AnswerError& error) {
  ApiError made = api::ToApiError(error);
  if (error.kind == answer::AnswerError::Kind::kTooLong)
    made.message = fmt::format("prompt is too long: {} tokens > {} maximum", error.overrun.prompt,
                               error.overrun.context_max);
  return made;
}

}  // namespace infe::api::anthropic
