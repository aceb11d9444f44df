// wire.h's errors.
#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "upstream/limits.h"
#include "upstream/wire.h"

namespace infe::upstream {
namespace {

using answer::AnswerError;

constexpr int kBadGateway = 502;

const Json* Member(const Json& object, std::string_view name) {
  const Json* member = object.find(name);
  return member == nullptr || member->is_null() ? nullptr : member;
}

std::string TextOf(const Json& object, std::string_view name) {
  const Json* member = Member(object, name);
  if (member == nullptr) return {};
  return member->is_string() ? member->as_string() : member->Dump();
}

// 400 to 599, as a number or as a text of digits.
std::optional<int> StatusIn(const Json& object, std::string_view name) {
  const Json* member = Member(object, name);
  if (member == nullptr) return std::nullopt;
  std::optional<int64_t> value;
  if (member->is_number()) value = member->as_int64();
  if (member->is_string()) {
    const std::string& text = member->as_string();
    int64_t number = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (ec == std::errc() && end == text.data() + text.size()) value = number;
  }
  if (!value || *value < 400 || *value > 599) return std::nullopt;
  return static_cast<int>(*value);
}

// What the words for kinds of errors mean, those of OpenAI, Anthropic, vLLM and others.
int StatusOfWord(std::string_view word) {
  struct Row {
    std::string_view part;
    int status;
  };
  static constexpr Row kRows[] = {
      {"rate_limit", 429},     {"ratelimit", 429},      {"insufficient_quota", 429},
      {"too_many", 429},       {"overloaded", 503},     {"unavailable", 503},
      {"timeout", 504},        {"context_length", 400}, {"invalid_request", 400},
      {"badrequest", 400},     {"bad_request", 400},    {"validation", 400},
      {"content_filter", 400}, {"authentication", 401}, {"unauthorized", 401},
      {"permission", 403},     {"not_found", 404},      {"notfound", 404},
      {"too_large", 413},      {"internal", 500},       {"server_error", 500},
  };
  std::string lower(word.substr(0, 64));
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  for (const Row& row : kRows)
    if (lower.find(row.part) != std::string::npos) return row.status;
  return 0;
}

int StatedStatus(const Json& error, const AnswerError::Remote& remote) {
  for (const char* name : {"status_code", "status", "http_status", "code"})
    if (const auto status = StatusIn(error, name)) return *status;
  if (const int status = StatusOfWord(remote.code)) return status;
  if (const int status = StatusOfWord(remote.type)) return status;
  return kBadGateway;
}

std::string Cut(std::string text) {
  if (text.size() <= kErrorMessageBytesMax) return text;
  size_t end = kErrorMessageBytesMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  text.resize(end);
  return text + "...";
}

std::string MessageOf(const Json& body, const Json& error) {
  for (const char* name : {"message", "detail", "error", "msg"}) {
    if (std::string text = TextOf(error, name); !text.empty()) return text;
  }
  if (error.is_string()) return error.as_string();
  for (const char* name : {"message", "detail"})
    if (std::string text = TextOf(body, name); !text.empty()) return text;
  return {};
}

}  // namespace

bool IsError(const Json& body) {
  if (!body.is_object()) return false;
  if (Member(body, "error") != nullptr) return true;
  const std::string object = TextOf(body, "object");
  if (object == "error" || TextOf(body, "type") == "error") return true;
  return Member(body, "choices") == nullptr && Member(body, "usage") == nullptr &&
         (Member(body, "detail") != nullptr || Member(body, "message") != nullptr);
}

answer::AnswerError ToError(int status, const Json& body, int64_t retry_after_ms) {
  const Json* inner = body.find("error");
  const Json& error = inner != nullptr && !inner->is_null() ? *inner : body;
  AnswerError made;
  made.kind = AnswerError::Kind::kRemote;
  made.remote.type = TextOf(error, "type");
  made.remote.code = TextOf(error, "code");
  made.remote.param = TextOf(error, "param");
  made.remote.status = status >= 400 ? status : StatedStatus(error, made.remote);
  // A number is a status said twice.
  if (StatusIn(error, "code")) made.remote.code.clear();
  made.error.message = MessageOf(body, error);
  if (made.error.message.empty())
    made.error.message =
        fmt::format("The server that runs the model answered {}.", made.remote.status);
  made.retry_ms = retry_after_ms;
  return made;
}

AnswerError Shortened(AnswerError error) {
  for (std::string* text :
       {&error.error.message, &error.remote.type, &error.remote.code, &error.remote.param})
    *text = Cut(std::move(*text));
  return error;
}

}  // namespace infe::upstream
