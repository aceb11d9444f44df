// Request bodies for the tests of api/: the smallest valid one with further members, and the check
// of a refusal. Included by *_test.cc only.
#pragma once

#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "api/openai/chat_completion_request.h"

namespace infe::api {

inline std::string ChatBody(std::string_view members = {}) {
  std::string out = R"({"model":"m","messages":[{"role":"user","content":"Hi"}])";
  if (!members.empty()) out += ',';
  out += members;
  return out + '}';
}

// messages: the array's items.
inline std::string ChatBodyOf(std::string_view messages, std::string_view members = {}) {
  std::string out = R"({"model":"m","messages":[)";
  out += messages;
  out += ']';
  if (!members.empty()) out += ',';
  out += members;
  return out + '}';
}

inline ChatCompletionRequest MustParse(const std::string& body, const ParseOptions& options = {}) {
  auto parsed = ParseChatCompletionRequest(body, options);
  if (parsed) return *std::move(parsed);
  ADD_FAILURE() << body.substr(0, 300) << "\n" << WriteError(parsed.error());
  return {};
}

// "-" stands for null in param and code.
inline void ExpectError(const ApiError& error, int status, std::string_view param,
                        std::string_view code) {
  EXPECT_EQ(error.status, status) << error.message;
  EXPECT_EQ(error.param.value_or("-"), param) << error.message;
  EXPECT_EQ(error.code.value_or("-"), code) << error.message;
  EXPECT_EQ(error.type, "invalid_request_error");
  EXPECT_FALSE(error.message.empty());
}

inline void ExpectRefused(const std::string& body, std::string_view param, std::string_view code,
                          const ParseOptions& options = {}) {
  SCOPED_TRACE(body.substr(0, 300));
  const auto parsed = ParseChatCompletionRequest(body, options);
  ASSERT_FALSE(parsed.has_value());
  ExpectError(parsed.error(), 400, param, code);
}

}  // namespace infe::api
