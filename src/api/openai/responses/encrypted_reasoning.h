// encrypted_content of reasoning items: what clients that have nothing kept on the server send back
// in place of the reasoning. Theirs is opaque; ours is the text in base64 behind a mark. It is no
// secret: whoever has it had the reasoning in the same item.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace infe::api::responses {

std::string SealReasoning(std::string_view text);
// Nothing for what infe did not make.
std::optional<std::string> OpenReasoning(std::string_view sealed);

}  // namespace infe::api::responses
