#include "api/openai/chat_completion_chunk.h"

#include "api/openai/obfuscation.h"
#include "base/check.h"
#include "base/random.h"

namespace infe::api {

ChunkWriter::ChunkWriter(const ResponseHead& head, const ChunkOptions& options)
    : options_(options),
      obfuscation_seed_(options.obfuscation_seed != 0 ? options.obfuscation_seed : RandomUint64()) {
  ObjectText object(prefix_);
  object.String("id", head.id);
  object.String("object", "chat.completion.chunk");
  object.Integer("created", head.created);
  object.String("model", head.model);
  if (head.service_tier) object.String("service_tier", Name(*head.service_tier));
  object.String("system_fingerprint", head.fingerprint);
  object.Key("choices") += '[';
  buffer_.reserve(prefix_.size() + 256);
}

std::string& ChunkWriter::Begin(int choice, FirstContent first_content) {
  INFE_CHECK(choice >= 0 && choice < static_cast<int>(role_sent_.size()));
  ++chunks_;
  buffer_.assign(prefix_);
  buffer_ += R"({"index":)";
  AppendInteger(buffer_, choice);
  buffer_ += R"(,"delta":{)";
  bool& sent = role_sent_[static_cast<size_t>(choice)];
  if (!sent) {
    buffer_ += first_content == FirstContent::kNull
                   ? R"("role":"assistant","content":null,"refusal":null,)"
                   : R"("role":"assistant","refusal":null,)";
    sent = true;
  }
  return buffer_;
}

std::string_view ChunkWriter::End(Logprobs logprobs, size_t payload) {
  buffer_ += R"(},"logprobs":)";
  if (logprobs != nullptr) {
    AppendLogprobs(buffer_, *logprobs);
  } else {
    buffer_ += "null";
  }
  buffer_ += R"(,"finish_reason":null}])";
  if (options_.include_usage) buffer_ += R"(,"usage":null)";
  if (options_.include_obfuscation) AppendObfuscation(buffer_, obfuscation_seed_, chunks_, payload);
  buffer_ += '}';
  return buffer_;
}

std::string_view ChunkWriter::Role(int choice) {
  INFE_CHECK(choice >= 0 && choice < static_cast<int>(role_sent_.size()));
  role_sent_[static_cast<size_t>(choice)] = true;
  Begin(choice, FirstContent::kInDelta) += R"("role":"assistant","content":"","refusal":null)";
  return End(nullptr, 0);
}

std::string_view ChunkWriter::Content(int choice, std::string_view text, Logprobs logprobs) {
  std::string& out = Begin(choice, FirstContent::kInDelta);
  out += R"("content":)";
  const size_t before = out.size();
  AppendJsonString(out, text);
  return End(logprobs, out.size() - before);
}

std::string_view ChunkWriter::Reasoning(int choice, std::string_view text, Logprobs logprobs) {
  std::string& out = Begin(choice, FirstContent::kNull);
  out += R"("reasoning_content":)";
  const size_t before = out.size();
  AppendJsonString(out, text);
  return End(logprobs, out.size() - before);
}

std::string_view ChunkWriter::ToolCallBegin(int choice, int call_index, const ToolCall& call,
                                            Logprobs logprobs) {
  const bool is_function = call.kind == ToolCall::Kind::kFunction;
  std::string& out = Begin(choice, FirstContent::kNull);
  const size_t before = out.size();
  out += R"("tool_calls":[)";
  ObjectText object(out);
  object.Integer("index", call_index);
  object.String("id", call.id);
  object.String("type", is_function ? "function" : "custom");
  ObjectText inner(object.Key(is_function ? "function" : "custom"));
  inner.String("name", call.name);
  inner.String(is_function ? "arguments" : "input", call.arguments);
  inner.Close();
  object.Close();
  out += ']';
  return End(logprobs, out.size() - before);
}

std::string_view ChunkWriter::ToolCallArguments(int choice, int call_index, std::string_view piece,
                                                ToolCall::Kind kind, Logprobs logprobs) {
  std::string& out = Begin(choice, FirstContent::kNull);
  out += R"("tool_calls":[{"index":)";
  AppendInteger(out, call_index);
  out +=
      kind == ToolCall::Kind::kFunction ? R"(,"function":{"arguments":)" : R"(,"custom":{"input":)";
  const size_t before = out.size();
  AppendJsonString(out, piece);
  const size_t payload = out.size() - before;
  out += "}}]";
  return End(logprobs, payload);
}

std::string_view ChunkWriter::FunctionCallBegin(int choice, std::string_view name,
                                                Logprobs logprobs) {
  std::string& out = Begin(choice, FirstContent::kNull);
  const size_t before = out.size();
  out += R"("function_call":{"name":)";
  AppendJsonString(out, name);
  out += R"(,"arguments":""})";
  return End(logprobs, out.size() - before);
}

std::string_view ChunkWriter::FunctionCallArguments(int choice, std::string_view piece,
                                                    Logprobs logprobs) {
  std::string& out = Begin(choice, FirstContent::kNull);
  out += R"("function_call":{"arguments":)";
  const size_t before = out.size();
  AppendJsonString(out, piece);
  const size_t payload = out.size() - before;
  out += '}';
  return End(logprobs, payload);
}

std::string_view ChunkWriter::Finish(int choice, FinishReason reason, Logprobs logprobs,
                                     const ResponseExtras* extras) {
  // An answer without a single token still says whose it is.
  std::string& out = Begin(choice, FirstContent::kInDelta);
  if (out.back() == ',') out += R"("content":"")";
  out += R"(},"logprobs":)";
  if (logprobs != nullptr) {
    AppendLogprobs(out, *logprobs);
  } else {
    out += "null";
  }
  out += R"(,"finish_reason":")";
  out += Name(reason);
  out += R"("}])";
  if (options_.include_usage) out += R"(,"usage":null)";
  if (extras != nullptr) AppendExtraMembers(out, *extras);
  if (options_.include_obfuscation) AppendObfuscation(out, obfuscation_seed_, chunks_, 0);
  out += '}';
  return out;
}

std::string_view ChunkWriter::UsageChunk(const Usage& usage, const ResponseExtras& extras) {
  ++chunks_;
  buffer_.assign(prefix_);
  buffer_ += R"(],"usage":)";
  AppendUsage(buffer_, usage);
  AppendExtraMembers(buffer_, extras);
  if (options_.include_obfuscation) AppendObfuscation(buffer_, obfuscation_seed_, chunks_, 0);
  buffer_ += '}';
  return buffer_;
}

}  // namespace infe::api
