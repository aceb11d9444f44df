// Answers about a prompt that is not run: how many tokens it has (input_tokens), and what the model
// would really see (render).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace infe::api {

// {"object":"chat.completion.input_tokens","model":..,"input_tokens":N}
std::string WriteInputTokens(std::string_view model, int64_t input_tokens);

struct RenderedPrompt {
  std::string_view model = {};
  std::string_view prompt = {};              // the template's text
  std::span<const uint32_t> token_ids = {};  // what it became; input_tokens is their number
  std::string_view fingerprint = {};         // of template and tokenizer: equal ones render alike
};

// {"object":"chat.completion.render","model":..,"prompt":..,"token_ids":[..],"input_tokens":N,
//  "render_fingerprint":..}
std::string WriteRender(const RenderedPrompt& rendered);

// Of a text completion's prompts, in their order, without the text that the client has:
// [{"object":"text_completion.render","index":0,"model":..,"token_ids":[..],"input_tokens":N,
//   "render_fingerprint":..},..]
std::string WriteTextRenders(std::span<const RenderedPrompt> rendered);

}  // namespace infe::api
