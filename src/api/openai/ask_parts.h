// What the asks of chat and text completions have in common: the wire's sampling, format and tier
// in the answer core's words.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "answer/ask.h"
#include "api/openai/output_format.h"
#include "api/openai/sampling.h"
#include "api/openai/service_tier.h"

namespace infe::api {

answer::Sampling ToAsk(const Sampling& sampling);
answer::Format ToAsk(const OutputFormat& format);
// What decides, beside the project, with whom prefixes are shared.
std::string CacheKey(std::string_view prompt_cache_key, std::string_view cache_salt);
answer::Priority ToAsk(const std::optional<ServiceTier>& tier);

}  // namespace infe::api
