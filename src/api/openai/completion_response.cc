#include "api/openai/completion_response.h"

#include <algorithm>

#include "base/utf8.h"

namespace infe::api {
namespace {

// Bytes that are no UTF-8 are marked, as OpenAI marked them here.
std::string LegacyTokenText(const TokenProbability& token) {
  std::string text = TokenText(token);
  return text == token.bytes ? text : "bytes:" + text;
}

void AppendProbability(std::string& out, const TokenProbability& token) {
  AppendFloat(out, token.logprob >= kLogprobMin ? token.logprob : kLogprobMin);
}

// {"token":logprob,...}. Two tokens may read the same (a special token and its spelling): the
// likelier one stays, because keys are unique.
void AppendTop(std::string& out, const std::vector<TokenProbability>& top) {
  std::vector<std::string> seen;
  out += '{';
  for (const TokenProbability& token : top) {
    std::string text = LegacyTokenText(token);
    if (std::find(seen.begin(), seen.end(), text) != seen.end()) continue;
    if (!seen.empty()) out += ',';
    AppendJsonString(out, text);
    out += ':';
    AppendProbability(out, token);
    seen.push_back(std::move(text));
  }
  out += '}';
}

template <typename Append>
void AppendEach(ObjectText& object, std::string_view key, const CompletionLogprobs& logprobs,
                Append append) {
  std::string& out = object.Key(key);
  out += '[';
  bool first = true;
  for (const CompletionLogprobs::Token& token : logprobs.tokens) {
    if (!first) out += ',';
    first = false;
    append(out, token);
  }
  out += ']';
}

void AppendLegacyLogprobs(std::string& out, const CompletionLogprobs& logprobs) {
  using Token = CompletionLogprobs::Token;
  ObjectText object(out);
  AppendEach(object, "tokens", logprobs, [](std::string& text, const Token& token) {
    AppendJsonString(text, LegacyTokenText(token.token));
  });
  AppendEach(object, "token_logprobs", logprobs, [](std::string& text, const Token& token) {
    if (token.has_logprob) {
      AppendProbability(text, token.token);
    } else {
      text += "null";
    }
  });
  AppendEach(object, "top_logprobs", logprobs, [](std::string& text, const Token& token) {
    if (token.has_logprob) {
      AppendTop(text, token.top);
    } else {
      text += "null";
    }
  });
  AppendEach(object, "text_offset", logprobs,
             [](std::string& text, const Token& token) { AppendInteger(text, token.text_offset); });
  object.Close();
}

void AppendLogprobsOrNull(std::string& out, const CompletionLogprobs* logprobs) {
  if (logprobs != nullptr) {
    AppendLegacyLogprobs(out, *logprobs);
  } else {
    out += "null";
  }
}

void AppendHead(ObjectText& object, const ResponseHead& head) {
  object.String("id", head.id);
  object.String("object", "text_completion");
  object.Integer("created", head.created);
  object.String("model", head.model);
  if (head.service_tier) object.String("service_tier", Name(*head.service_tier));
  object.String("system_fingerprint", head.fingerprint);
}

}  // namespace

std::string WriteCompletion(const CompletionResponse& response) {
  std::string out;
  ObjectText object(out);
  AppendHead(object, response.head);
  object.Key("choices") += '[';
  for (size_t i = 0; i < response.choices.size(); ++i) {
    const CompletionChoice& choice = response.choices[i];
    if (i > 0) out += ',';
    ObjectText entry(out);
    entry.Integer("index", choice.index);
    entry.String("text", choice.text);
    AppendLogprobsOrNull(entry.Key("logprobs"), choice.logprobs ? &*choice.logprobs : nullptr);
    entry.String("finish_reason", Name(choice.finish_reason));
    entry.Close();
  }
  out += ']';
  AppendUsage(object.Key("usage"), response.usage);
  AppendExtras(object, response.extras);
  object.Close();
  return out;
}

CompletionChunkWriter::CompletionChunkWriter(const ResponseHead& head, bool include_usage)
    : include_usage_(include_usage) {
  ObjectText object(prefix_);
  AppendHead(object, head);
  object.Key("choices") += '[';
}

std::string& CompletionChunkWriter::Begin(int choice) {
  buffer_.assign(prefix_);
  buffer_ += R"({"index":)";
  AppendInteger(buffer_, choice);
  buffer_ += R"(,"text":)";
  return buffer_;
}

std::string_view CompletionChunkWriter::Text(int choice, std::string_view text, Logprobs logprobs) {
  std::string& out = Begin(choice);
  AppendJsonString(out, text);
  out += R"(,"logprobs":)";
  AppendLogprobsOrNull(out, logprobs);
  out += R"(,"finish_reason":null}])";
  if (include_usage_) out += R"(,"usage":null)";
  out += '}';
  return out;
}

std::string_view CompletionChunkWriter::Finish(int choice, FinishReason reason,
                                               const ResponseExtras* extras) {
  std::string& out = Begin(choice);
  out += R"("","logprobs":null,"finish_reason":")";
  out += Name(reason);
  out += R"("}])";
  if (include_usage_) out += R"(,"usage":null)";
  if (extras != nullptr) AppendExtraMembers(out, *extras);
  out += '}';
  return out;
}

std::string_view CompletionChunkWriter::UsageChunk(const Usage& usage,
                                                   const ResponseExtras& extras) {
  buffer_.assign(prefix_);
  buffer_ += R"(],"usage":)";
  AppendUsage(buffer_, usage);
  AppendExtraMembers(buffer_, extras);
  buffer_ += '}';
  return buffer_;
}

}  // namespace infe::api
