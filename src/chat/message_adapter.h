// Fits a conversation to what a template can take, so that requests are rendered instead of
// refused: tools and their calls as text where the template knows none, system messages moved or
// folded into the first user turn, neighbours of one role merged where turns must alternate.
#pragma once

#include <vector>

#include "chat/message.h"
#include "chat/template_traits.h"
#include "chat/tool_format.h"

namespace infe::chat {

struct AdaptedMessages {
  std::vector<Message> messages;
  bool passes_tools = false;  // the template gets the tools
};

// format: how calls look where they become text.
AdaptedMessages AdaptMessages(const PromptRequest& request, const TemplateTraits& traits,
                              const ToolFormat& format);

}  // namespace infe::chat
