// Grammars written as text, compiled into a program under construction, so that they can be parts
// of larger ones.
#pragma once

#include <string_view>

#include "base/result.h"
#include "grammar/program_builder.h"

namespace infe::grammar {

// A node that reads exactly the texts of the grammar, written in this spelling (kUtf8, or
// kJsonInside for a text that stands in a JSON string). Errors: kInvalidArgument with the line,
// kUnsupported, kResourceExhausted for a limit.
Result<NodeId> GbnfInto(ProgramBuilder& builder, std::string_view source, Spelling spelling);
Result<NodeId> LarkInto(ProgramBuilder& builder, std::string_view source, Spelling spelling);

}  // namespace infe::grammar
