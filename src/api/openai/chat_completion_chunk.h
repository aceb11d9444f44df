// The chunks of a streamed chat completion: the JSON of each server-sent event, without "data: ".
// One ChunkWriter per stream. What is the same on every chunk is escaped once; a content chunk
// costs a few appends to one reused buffer, and no JSON tree.
//
// The role goes out once per choice: with Role(), else inside the choice's first delta. Strings
// that clients add up (role, id, name) are never repeated.
//
//   ChunkWriter writer(head, {.include_usage = true});
//   send(writer.Role(0)); send(writer.Content(0, "Hi")); send(writer.Finish(0,
//   FinishReason::kStop)); send(writer.UsageChunk(usage, extras)); send("[DONE]");
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/openai/message.h"
#include "api/openai/response_parts.h"

namespace infe::api {

struct ChunkOptions {
  bool include_usage = false;        // "usage":null on all chunks, then one with the usage
  bool include_obfuscation = false;  // pad each delta so that its size tells less
  uint64_t obfuscation_seed = 0;     // 0: drawn. For tests.
};

// Each method returns one chunk, valid until the next call. Choices are 0..127. logprobs, where
// given, cover exactly the tokens of this chunk. One thread at a time.
class ChunkWriter {
 public:
  ChunkWriter(const ResponseHead& head, const ChunkOptions& options);

  using Logprobs = const std::vector<TokenLogprob>*;  // null: none were asked for

  // {"role":"assistant","content":"","refusal":null}
  std::string_view Role(int choice);
  std::string_view Content(int choice, std::string_view text, Logprobs logprobs = nullptr);
  std::string_view Reasoning(int choice, std::string_view text, Logprobs logprobs = nullptr);
  // call.id, name and kind; its arguments, if it has any already, go along.
  std::string_view ToolCallBegin(int choice, int call_index, const ToolCall& call,
                                 Logprobs logprobs = nullptr);
  std::string_view ToolCallArguments(int choice, int call_index, std::string_view piece,
                                     ToolCall::Kind kind = ToolCall::Kind::kFunction,
                                     Logprobs logprobs = nullptr);
  // The legacy form of the two above.
  std::string_view FunctionCallBegin(int choice, std::string_view name,
                                     Logprobs logprobs = nullptr);
  std::string_view FunctionCallArguments(int choice, std::string_view piece,
                                         Logprobs logprobs = nullptr);
  // Once per choice. extras only where this is the last chunk of the stream: the last choice to
  // end, without include_usage.
  std::string_view Finish(int choice, FinishReason reason, Logprobs logprobs = nullptr,
                          const ResponseExtras* extras = nullptr);
  // The last chunk under include_usage: "choices":[].
  std::string_view UsageChunk(const Usage& usage, const ResponseExtras& extras);

  bool include_usage() const { return options_.include_usage; }

 private:
  // Starts a chunk up to and including the delta's "{"; with the role if it has not been sent.
  // content_null: a first chunk without text says "content":null.
  enum class FirstContent { kInDelta, kNull };
  std::string& Begin(int choice, FirstContent first_content);
  // Ends the delta and the chunk. payload: bytes of this chunk that depend on the text.
  std::string_view End(Logprobs logprobs, size_t payload);

  ChunkOptions options_;
  std::string prefix_;  // {"id":..,"choices":[
  std::string buffer_;
  std::array<bool, 128> role_sent_{};
  uint64_t obfuscation_seed_;
  uint64_t chunks_ = 0;
};

}  // namespace infe::api
