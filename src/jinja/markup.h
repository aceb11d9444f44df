// HTML escaping, for the filters escape, forceescape, safe and striptags and for Python's Markup.
#pragma once

#include "jinja/text.h"

namespace infe::jinja {

// & < > ' " as entities; text that is markup already stays. The result is markup.
Text EscapeHtml(const Text& text);

}  // namespace infe::jinja
