// The input of a call is an object, also where the answer was cut inside it.
#pragma once

#include <string>
#include <string_view>

namespace infe::api::anthropic {

// arguments as the text of a JSON object: as it is where it is one. Of one that was cut, what had
// come whole: a value that may still have grown, a number at the end say, goes, and what was open
// is closed. {} where nothing can be made of it. Linear time; nesting as deep as ParseJson allows.
std::string InputObject(std::string_view arguments);

}  // namespace infe::api::anthropic
