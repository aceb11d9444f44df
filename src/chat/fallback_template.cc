#include "chat/fallback_template.h"

#include <algorithm>

namespace infe::chat {
namespace {

constexpr std::string_view kChatMl = R"({%- for message in messages %}
{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\n' }}
{%- endif %})";

// No blank after the last colon: the model's first word brings its own.
constexpr std::string_view kTranscript = R"({%- for message in messages %}
{%- if message.role == 'system' %}
{{- message.content + '\n\n' }}
{%- else %}
{{- ('User: ' if message.role == 'user' else 'Assistant: ') + message.content + '\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
{{- 'Assistant:' }}
{%- endif %})";

}  // namespace

FallbackTemplate ChooseFallbackTemplate(const std::vector<std::string>& control_tokens) {
  const auto has = [&](std::string_view text) {
    return std::find(control_tokens.begin(), control_tokens.end(), text) != control_tokens.end();
  };
  if (has("<|im_start|>") && has("<|im_end|>")) return {kChatMl, {}};
  return {kTranscript, {"\nUser:"}};
}

}  // namespace infe::chat
