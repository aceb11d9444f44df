#include "refusal/refusal.h"

#include <gtest/gtest.h>

namespace infe::refusal {
namespace {

std::string HeaderOf(const Refusal& error, std::string_view name) {
  for (const auto& [key, value] : error.headers)
    if (key == name) return value;
  return "";
}

TEST(Refusal, HeadersTellClientsWhetherAndWhenToRetry) {
  EXPECT_EQ(HeaderOf(MissingKey(), "WWW-Authenticate"), "Bearer");
  EXPECT_EQ(HeaderOf(InvalidKey("x"), "WWW-Authenticate"), "Bearer");
  EXPECT_EQ(HeaderOf(QuotaSpent(), "x-should-retry"), "false");
  EXPECT_EQ(HeaderOf(DeadlinePassed(), "x-should-retry"), "true");
  EXPECT_EQ(HeaderOf(Overloaded(1500), "Retry-After"), "2");
  EXPECT_EQ(HeaderOf(Overloaded(1500), "retry-after-ms"), "1500");
  EXPECT_EQ(HeaderOf(RateLimited({.retry_after_ms = 0}), "Retry-After"), "1");
  EXPECT_EQ(HeaderOf(MethodNotAllowed("PUT", "/", "GET, HEAD"), "Allow"), "GET, HEAD");
}

TEST(Refusal, ContextLengthNamesBothNumbers) {
  const std::string message = ContextLengthExceeded(2048, 3000).message;
  EXPECT_NE(message.find("2048"), std::string::npos);
  EXPECT_NE(message.find("3000"), std::string::npos);
}

TEST(Refusal, KeysAreMasked) {
  EXPECT_EQ(MaskKey("sk-infe-abcdefgh1234"), "sk-i************1234");
  EXPECT_EQ(MaskKey("short"), "*****");
  EXPECT_EQ(MaskKey(""), "");
  EXPECT_EQ(MaskKey(std::string(1000, 'k')), "kkkk" + std::string(24, '*') + "kkkk");
  EXPECT_EQ(MaskKey("sk-with\r\ninjected-header").find('\n'), std::string::npos);
  EXPECT_EQ(InvalidKey("sk-infe-abcdefgh1234").message.find("abcdefgh"), std::string::npos);
}

TEST(Refusal, QuotesAreCutAtCharactersAndStayUtf8) {
  EXPECT_EQ(Quoted("abc"), "abc");
  EXPECT_EQ(Quoted(std::string(64, 'a')), std::string(64, 'a'));
  EXPECT_EQ(Quoted(std::string(65, 'a')), std::string(64, 'a') + "...");
  std::string text(63, 'a');
  text += "\xe2\x82\xac";
  EXPECT_EQ(Quoted(text), std::string(63, 'a') + "...");
  EXPECT_EQ(Quoted("\xff"), "\xEF\xBF\xBD");
}

}  // namespace
}  // namespace infe::refusal
