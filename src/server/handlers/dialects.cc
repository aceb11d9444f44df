// The dialects that the table of endpoints knows.
#include "api/anthropic/error.h"
#include "api/api_error.h"
#include "server/endpoint.h"

namespace infe::server {

constinit const Dialect kOpenAi{"openai", api::WriteError};
constinit const Dialect kAnthropic{"anthropic", api::anthropic::WriteError,
                                   HeaderNames::kAnthropic};

}  // namespace infe::server
