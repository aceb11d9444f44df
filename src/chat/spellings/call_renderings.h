// What a template writes for answers with calls and not for a plain one: the material of every
// spelling's probe, and the cutting of it that spellings share.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "chat/template_probe.h"
#include "chat/template_traits.h"
#include "chat/tool_format.h"

namespace infe::chat {

struct CallRenderings {
  std::string one;  // a call of kProbeTool
  // That and a call of kProbeSecondTool; unset: the template raises, as for the next.
  std::optional<std::string> two;
  std::optional<std::string> several;  // a call of kProbeTool with several arguments
  std::string id;                      // that the first call had
};

// nullopt: the template raises, or shows no plain answer to compare with.
std::optional<CallRenderings> RenderCalls(const TemplateProbe& probe, const TemplateTraits& traits,
                                          std::string_view eos);

// Where one call stands in a rendering: from before_name to behind after_arguments.
struct CallBounds {
  size_t begin = 0;
  size_t end = 0;
};

// Tells what stands around each call from what stands around all, by the rendering with two:
// section_begin, call_begin, call_end, separator, section_end and takes_several of the format.
// first and second: the calls in rendered.two; unset where there are not two.
void SplitSurroundings(const CallRenderings& rendered, CallBounds one,
                       std::optional<CallBounds> first, std::optional<CallBounds> second,
                       ToolFormat& format);

// Adds what begins calls, and what closes one or all of them, as marks that a reader looks for.
// trigger: the first of them; may be empty.
void AddMarks(const std::string& trigger, ToolFormat& format);

bool IsBlank(char c);
std::string Trimmed(std::string_view text);

}  // namespace infe::chat
