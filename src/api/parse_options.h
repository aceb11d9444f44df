// What a request may ask for at most, and the switches that an operator may turn. The server fills
// it once from its configuration; every limit's 400 states the number.
#pragma once

#include <cstddef>

namespace infe::api {

// Limits of OpenAI's API itself. They are part of the wire format, not of the configuration.
inline constexpr int kChoicesMax = 128;  // the official clients refuse a choice index above 127
inline constexpr int kTopLogprobsMax = 20;
inline constexpr int kCompletionLogprobsMax = 5;
inline constexpr size_t kMetadataPairsMax = 16;
inline constexpr size_t kMetadataKeyMax = 64;     // characters
inline constexpr size_t kMetadataValueMax = 512;  // characters
inline constexpr size_t kLogitBiasMax = 1024;
inline constexpr size_t kStopTokensMax = 1024;  // as many tokens may be biased
inline constexpr size_t kNameMax = 64;          // functions and schemas: [A-Za-z0-9_-]{1,64}
inline constexpr size_t kSafetyIdentifierMax = 64;
// No published limit. Kept with each usage record or hashed into the cache salt, so bounded.
inline constexpr size_t kIdentityMax = 1024;  // user, prompt_cache_key: characters
// Nesting inside a schema, counted from its root; a body may hold it at most five levels down.
inline constexpr size_t kSchemaDepthMax = 100;

// What becomes of an image in a conversation with a model that reads text: a history that holds one
// would be refused for ever after.
enum class Images {
  kRefuse,       // a 400 that names the part
  kPlaceholder,  // kImagePlaceholder stands where it stood
};
inline constexpr const char* kImagePlaceholder = "[an image, which this model cannot see]";

struct ParseOptions {
  int n_max = 8;               // of 1..128; choices run at the same time
  size_t messages_max = 2048;  // a very long agent history has some hundred
  size_t tools_max = 128;      // OpenAI's own
  size_t stop_max = 4;         // stop texts, OpenAI's own
  size_t prompts_max = 128;    // of /v1/completions; times n at most 128 choices
  Images images = Images::kRefuse;
  size_t schema_bytes_max = 1 << 20;    // 1 MiB: public schemas end at 915 kB
  size_t body_depth_max = 64;           // outside schemas
  bool strict_params = false;           // unknown fields are a 400, not a listed extra
  bool json_word_check = false;         // json_object wants "json" in some message
  bool allow_unanswered_calls = false;  // tool calls in history need no tool messages
};

}  // namespace infe::api
