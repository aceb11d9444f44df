// g++ 12 takes std::regex's own code for uninitialised when sanitizers are on.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <iterator>
#include <random>
#include <regex>
#include <string>

#include <gtest/gtest.h>

#include "base/utf8.h"
#include "grammar/ecma_regex.h"
#include "grammar/formats.h"
#include "grammar/number_regex.h"

namespace infe::grammar {
namespace {

bool Matches(RegexPool& pool, RegexId id, std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    id = pool.Derive(id, DecodeUtf8(text, at));
    if (id == kNothing) return false;
  }
  return pool.Nullable(id);
}

bool Search(std::string_view pattern, std::string_view text) {
  RegexPool pool;
  const auto id = CompilePattern(pool, pattern);
  EXPECT_TRUE(id) << pattern << ": " << id.error().message;
  return id && Matches(pool, *id, text);
}

TEST(EcmaRegex, AgreesWithTheStandardLibrary) {
  const char* patterns[] = {
      "a",      "^a",      "a$",       "^a$",       "^$",           "a|b",       "^(a|b)$",
      "^a|b$",  "(^|,)a",  "a(,|$)",   "^a*b+c?$",  "^[a-c]{2,3}$", "[^a]",      "^[^a-c]+$",
      "\\d{2}", "^\\w+$",  "^\\s*$",   "^.$",       "a.c",          "^(?:ab)+$", "^(ab|a)(bc|c)$",
      "^a{0}$", "^a{2,}$", "^(?!ab)a", "^(?=.*b)a", "a(?!b)",       "(?=ab)a",   "^a(?=b).*c$",
      "x*",     "[-a]",    "[a-]",     "\\.",       "^(a?b?){2}$",  "()",        "^(?!.*aa).*$"};
  const char* texts[] = {"",       "a",   "b",   "ab",  "ba",  "abc", "aabbcc", "ac",
                         "abcabc", ",a",  "a,",  "aa",  "aaa", "1",   "12",     "a12",
                         " ",      "  ",  "a b", "-",   "x.y", "bca", "c",      "cab",
                         "acb",    "abb", "bb",  "aab", "baa", "_",   "abab"};
  for (const char* pattern : patterns) {
    const std::regex expected(pattern, std::regex::ECMAScript);
    for (const char* text : texts)
      EXPECT_EQ(Search(pattern, text), std::regex_search(text, expected))
          << pattern << " on '" << text << "'";
  }
}

// An anchor asks where it stands, as often as it is reached.
TEST(EcmaRegex, AnchorsConsumeNothing) {
  const char* patterns[] = {"^(?!^a$)a*$",
                            "^(?:^a|b)c$",
                            "^([a-c]+(,|$))*$",
                            "^^a$$",
                            "(^a|b$)*",
                            "^(?:$|a(?:$|b))",
                            "^(?!^0$)(?!^$)[ab]*$",
                            "(?:^|b)a(?:b|$)",
                            "^(?:a|^){2}b",
                            "^(a|$){3}$",
                            "^(?:^b?){2,3}a",
                            "a$|^b",
                            "^(?=^a)ab",
                            "(?=a$)a",
                            "b(?!$)",
                            "^(?!$)",
                            "^((^|,)[ab])+$",
                            "^(a*$|b)*$",
                            "(^|a)(^|b)(c|$)",
                            "^(?:(?:^a)?b)*$",
                            "^(?=.*(?:^a|c$)).*",
                            "^(?:a$|ab|abc$|$)$",
                            "^(?![^b]*$)[ab]*",
                            "^(()|^)*a$"};
  const char* texts[] = {"",    "a",   "b",   "c",   "ab",   "ac",   "ba",   "bc",  "aa",
                         "aaa", "abc", "a,",  "a,b", ",a,b", "a,b,", ",a",   "abb", "bb",
                         "bab", "cab", "aba", "bca", "acb",  "aab",  "abab", "cc",  "0"};
  for (const char* pattern : patterns) {
    const std::regex expected(pattern, std::regex::ECMAScript);
    for (const char* text : texts)
      EXPECT_EQ(Search(pattern, text), std::regex_search(text, expected))
          << pattern << " on '" << text << "'";
  }
}

// Patterns by chance, as deep as the standard library's backtracking can follow.
class PatternMaker {
 public:
  explicit PatternMaker(uint64_t seed) : random_(seed) {}

  std::string Alternatives(int depth) {
    std::string out = Sequence(depth);
    while (Below(4) == 0) out += "|" + Sequence(depth);
    return out;
  }

 private:
  uint32_t Below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
  std::string Sequence(int depth) {
    std::string out;
    for (uint32_t parts = Below(4); parts > 0; --parts) out += Part(depth);
    return out;
  }
  std::string Part(int depth) {
    static constexpr const char* kCounts[] = {"*", "+", "?", "{2}", "{1,2}", "{0}"};
    switch (Below(depth > 0 ? 6 : 4)) {
      case 0:
        return "^";
      case 1:
        return "$";
      case 2:
        return "a";
      case 3:
        return "b";
      default: {
        const std::string group = "(?:" + Alternatives(depth - 1) + ")";
        return Below(2) == 0 ? group : group + kCounts[Below(std::size(kCounts))];
      }
    }
  }
  std::mt19937_64 random_;
};

TEST(EcmaRegex, PatternsByChanceAgreeWithTheStandardLibrary) {
  for (uint64_t seed = 0; seed < 1500; ++seed) {
    const std::string pattern = PatternMaker(seed).Alternatives(3);
    const std::regex expected(pattern, std::regex::ECMAScript);
    RegexPool pool;
    const auto id = CompilePattern(pool, pattern);
    ASSERT_TRUE(id) << pattern << ": " << id.error().message;
    for (uint32_t bits = 1; bits < 32; ++bits) {  // every text of a and b up to four characters
      std::string text;
      for (uint32_t b = bits; b > 1; b >>= 1) text += (b & 1) != 0 ? 'a' : 'b';
      ASSERT_EQ(Matches(pool, *id, text), std::regex_search(text, expected))
          << pattern << " on '" << text << "', seed " << seed;
    }
  }
}

TEST(EcmaRegex, CountsCodePointsAndReadsEscapes) {
  EXPECT_TRUE(Search("^.{2}$", "\xC3\xA9\xF0\x9F\x98\x80"));
  EXPECT_TRUE(Search("^\\u00e9$", "\xC3\xA9"));
  EXPECT_TRUE(Search("^\\ud83d\\ude00$", "\xF0\x9F\x98\x80"));
  EXPECT_TRUE(Search("^\\u{1f600}$", "\xF0\x9F\x98\x80"));
  EXPECT_TRUE(Search("^\\x41\\t$", "A\t"));
  EXPECT_TRUE(Search("^a{,3}$", "a{,3}"));
  EXPECT_TRUE(Search("^[\\w-.]+$", "a-.b"));
}

TEST(EcmaRegex, RefusesWhatItCannotDo) {
  RegexPool pool;
  for (const char* pattern : {"(a)\\1", "(?<=a)b", "\\bword", "\\p{L}", "(?:(?=a)b)*"}) {
    const auto id = CompilePattern(pool, pattern);
    ASSERT_FALSE(id) << pattern;
    EXPECT_EQ(id.error().code, ErrorCode::kUnsupported) << pattern;
  }
  for (const char* pattern : {"(", ")", "[a", "a{3,2}", "*", "a**", "[b-a]", "\\", "\\q"}) {
    const auto id = CompilePattern(pool, pattern);
    ASSERT_FALSE(id) << pattern;
    EXPECT_EQ(id.error().code, ErrorCode::kInvalidArgument) << pattern;
  }
  const auto deep = CompilePattern(pool, std::string(5000, '(') + std::string(5000, ')'));
  ASSERT_FALSE(deep);
  EXPECT_EQ(deep.error().code, ErrorCode::kResourceExhausted);
}

// An anchor that can no longer match must not keep a state alive: the mask would lead into a text
// that never ends.
TEST(EcmaRegex, AnchoredPatternsDieAtTheFirstWrongCharacter) {
  RegexPool pool;
  const auto id = CompilePattern(pool, "^\\+44[\\d]{10}$");
  ASSERT_TRUE(id);
  EXPECT_EQ(pool.Derive(*id, 'x'), kNothing);
  EXPECT_EQ(pool.Derive(pool.Derive(*id, '+'), ' '), kNothing);
  EXPECT_EQ(pool.Derive(pool.Derive(*id, '+'), '5'), kNothing);
}

TEST(EcmaRegex, RepeatsAreCounters) {
  RegexPool pool;
  const auto id = CompilePattern(pool, "^[a-z]{3,900000}$");
  ASSERT_TRUE(id);
  EXPECT_LT(pool.size(), 30u);
  EXPECT_FALSE(Matches(pool, *id, "ab"));
  EXPECT_TRUE(Matches(pool, *id, "abcdef"));
}

TEST(RegexPool, AndOfContradictionsIsEmpty) {
  RegexPool pool;
  const auto even = CompilePattern(pool, "^(aa)*$");
  const auto odd = CompilePattern(pool, "^a(aa)*$");
  ASSERT_TRUE(even && odd);
  EXPECT_TRUE(pool.IsEmpty(pool.And(*even, *odd)));
  EXPECT_FALSE(pool.IsEmpty(pool.And(*even, pool.Not(*odd))));
  EXPECT_EQ(pool.ShortestLength(pool.And(*even, pool.Repeat(pool.Char('a'), 3, kUnbounded))), 4u);
}

TEST(NumberRegex, AgreesWithArithmetic) {
  const char* bounds[] = {"-12.5", "-3",   "-0.25", "0",   "0.5",    "1",
                          "7",     "9.99", "10",    "101", "250.125"};
  std::vector<std::string> numbers;
  for (int i = -1300; i <= 2600; ++i) {
    const std::string text = Decimal(*ParseDecimal(std::to_string(i) + "e-1")).Text();
    numbers.push_back(text);
  }
  for (const char* n : {"0.25", "0.24", "0.26", "9.98", "9.991", "250.125", "250.1250", "250.1251",
                        "250.12", "-12.51", "-12.49", "1000", "99999", "0.0", "-3.0", "7.000"})
    numbers.emplace_back(n);
  for (const char* bound : bounds) {
    for (const bool exclusive : {false, true}) {
      for (const bool lower : {false, true}) {
        RegexPool pool;
        NumberBounds spec;
        const NumberBounds::Bound limit{*ParseDecimal(bound), exclusive};
        if (lower) spec.lower = limit;
        if (!lower) spec.upper = limit;
        const auto id = NumberRegex(pool, spec);
        ASSERT_TRUE(id);
        for (const std::string& n : numbers) {
          const double v = std::stod(n);
          const double b = std::stod(bound);
          const bool expected = lower ? (exclusive ? v > b : v >= b) : (exclusive ? v < b : v <= b);
          EXPECT_EQ(Matches(pool, *id, n), expected)
              << n << " against " << bound << exclusive << lower;
        }
      }
    }
  }
}

TEST(NumberRegex, MultiplesAndIntegers) {
  RegexPool pool;
  NumberBounds spec{.integer = true};
  spec.multiples = {*ParseDecimal("7")};
  spec.lower = {*ParseDecimal("-20"), false};
  spec.upper = {*ParseDecimal("1e2"), false};
  const auto id = NumberRegex(pool, spec);
  ASSERT_TRUE(id);
  for (int i = -150; i <= 150; ++i)
    EXPECT_EQ(Matches(pool, *id, std::to_string(i)), i % 7 == 0 && i >= -20 && i <= 100) << i;
  EXPECT_FALSE(Matches(pool, *id, "7.0"));
  NumberBounds hundredths;
  hundredths.multiples = {*ParseDecimal("0.01")};
  const auto cents = NumberRegex(pool, hundredths);
  ASSERT_TRUE(cents);
  EXPECT_TRUE(Matches(pool, *cents, "12.34"));
  EXPECT_TRUE(Matches(pool, *cents, "-12.340"));
  EXPECT_FALSE(Matches(pool, *cents, "12.345"));
}

TEST(NumberRegex, DecimalsAreExact) {
  EXPECT_EQ(ParseDecimal("1.50e3")->Text(), "1500");
  EXPECT_EQ(ParseDecimal("-0.00120")->Text(), "-0.0012");
  EXPECT_EQ(ParseDecimal("-0")->Text(), "0");
  EXPECT_EQ(ParseDecimal("123456789012345678901234567890.5")->Text(),
            "123456789012345678901234567890.5");
  EXPECT_FALSE(ParseDecimal("1e999"));
  EXPECT_EQ(Compare(*ParseDecimal("-2"), *ParseDecimal("-10")), 1);
  EXPECT_EQ(Compare(*ParseDecimal("0.1"), *ParseDecimal("0.09")), 1);
}

TEST(Formats, FollowTheirRfcs) {
  RegexPool pool;
  const auto check = [&](std::string_view format, std::string_view text) {
    const auto id = FormatRegex(pool, format);
    EXPECT_TRUE(id) << format;
    return id && Matches(pool, *id, text);
  };
  EXPECT_TRUE(check("date", "2024-02-29"));
  EXPECT_FALSE(check("date", "2023-02-29"));
  EXPECT_FALSE(check("date", "1900-02-29"));
  EXPECT_TRUE(check("date", "2000-02-29"));
  EXPECT_FALSE(check("date", "2024-04-31"));
  EXPECT_TRUE(check("date-time", "1985-04-12T23:20:50.52Z"));
  EXPECT_TRUE(check("date-time", "1998-12-31T23:59:60Z"));
  EXPECT_FALSE(check("date-time", "1985-04-12 23:20:50Z"));
  EXPECT_TRUE(check("duration", "P4DT12H30M5S"));
  EXPECT_FALSE(check("duration", "P"));
  EXPECT_TRUE(check("ipv4", "192.168.0.1"));
  EXPECT_FALSE(check("ipv4", "256.0.0.1"));
  for (const char* good :
       {"::1", "::", "1::d6:192.168.0.1", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::ffff:1.2.3.4"})
    EXPECT_TRUE(check("ipv6", good)) << good;
  for (const char* bad :
       {"1:2:3:4:5:6:7:8:9", "12345::", "1::2::3", ":1", "1.2.3.4", "1:2:3:4:5:6:7"})
    EXPECT_FALSE(check("ipv6", bad)) << bad;
  EXPECT_TRUE(check("email", "joe.bloggs@example.com"));
  EXPECT_FALSE(check("email", "joe..bloggs@example.com"));
  EXPECT_TRUE(check("uri", "http://foo.bar/?baz=qux#quux"));
  EXPECT_TRUE(check("uri", "urn:oasis:names"));
  EXPECT_FALSE(check("uri", "//foo.bar/"));
  EXPECT_FALSE(check("uri", "http:// shouldfail.com"));
  EXPECT_TRUE(check("uri-reference", "/abc"));
  EXPECT_TRUE(check("uuid", "2eb8aa08-aa98-11ea-b4aa-73b441d16380"));
  EXPECT_FALSE(check("uuid", "2eb8aa08aa98-11ea-b4aa-73b441d16380"));
  EXPECT_FALSE(FormatRegex(pool, "topic"));
}

}  // namespace
}  // namespace infe::grammar
