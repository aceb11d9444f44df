// Rendering by JSON lines: the form in which conformance runs and `infe render` ask for templates
// to be rendered, one object a line in, one a line out.
#pragma once

#include <string>
#include <string_view>

namespace infe::chat {

// request: {"template": text, "context": {...}, "now": seconds since the epoch}; "template" may be
// left out when default_template is the one meant, the other two always. Returns, without a
// newline,
// {"text": ..., "trusted": [[begin, end], ...]} or {"error": message}.
std::string RenderLine(std::string_view request, std::string_view default_template);

}  // namespace infe::chat
