// A line that agents put at the head of their system prompt for whoever bills them: a version, an
// entry point, a checksum of the request.
//
//   x-anthropic-billing-header: cc_version=2.1.0.abc; cc_entrypoint=cli; cch=1f2e3;
//
// It differs from request to request. In the prompt it would stand before everything else, so that
// no prefix of a conversation would ever be found again, and it says nothing to a model: it is
// taken out.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace infe::api::anthropic {

// The text without such a line at its head (and the line breaks behind it); nothing where there is
// none.
std::optional<std::string> WithoutAttribution(std::string_view system);

}  // namespace infe::api::anthropic
