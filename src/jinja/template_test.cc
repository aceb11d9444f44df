#include "jinja/template.h"

#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/json.h"
#include "base/source_dir.h"

namespace infe::jinja {
namespace {

Json Object(std::string_view text) {
  return *ParseJson(text, {.depth = 200});
}

Result<RenderedText> TryRender(std::string_view source, const Json& context,
                               const RenderOptions& options = {}) {
  INFE_ASSIGN(const auto compiled, Template::Compile(source));
  return compiled->Render(context, options);
}

// The rendered text with the template's own bytes in brackets; an error as "error: message".
std::string Marked(std::string_view source, std::string_view context) {
  const Result<RenderedText> rendered = TryRender(source, Object(context));
  if (!rendered) return "error: " + rendered.error().message;
  std::string out;
  size_t at = 0;
  for (const TrustedRange& range : rendered->trusted) {
    out += rendered->text.substr(at, range.begin - at);
    out += '[' + rendered->text.substr(range.begin, range.end - range.begin) + ']';
    at = range.end;
  }
  return out + rendered->text.substr(at);
}

std::string Message(const Result<RenderedText>& result) {
  return result ? "rendered: " + result->text : result.error().message;
}

TEST(TemplateTest, AgreesWithJinja2OnEveryGoldenCase) {
  setenv("TZ", "UTC", 1);
  tzset();
  std::ifstream file(std::string(kSourceDir) + "/tests/golden/chat/cases.json");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  const Result<Json> golden = ParseJson(text, {.depth = 200});
  ASSERT_TRUE(golden) << golden.error().message;
  const Json& context = *golden->find("context");
  RenderOptions options;
  options.now = golden->find("now")->as_int64();
  const Json::Array& cases = golden->find("cases")->array();
  ASSERT_GE(cases.size(), 500u);
  for (const Json& test_case : cases) {
    const std::string& source = test_case.find("template")->as_string();
    const Result<RenderedText> rendered = TryRender(source, context, options);
    const Json* expected = test_case.find("text");
    if (expected == nullptr) {
      EXPECT_FALSE(rendered) << test_case.find("name")->as_string() << ": " << source
                             << "\nmust raise: " << test_case.find("raises")->as_string();
    } else {
      ASSERT_TRUE(rendered) << test_case.find("name")->as_string() << ": " << source << "\n"
                            << rendered.error().message;
      EXPECT_EQ(rendered->text, expected->as_string())
          << test_case.find("name")->as_string() << ": " << source;
    }
  }
}

TEST(TemplateTest, OnlyWhatTheTemplateWroteIsTrusted) {
  const char* context = R"({"s": "user", "bos_token": "<s>", "xs": ["a", "b"]})";
  EXPECT_EQ(Marked("<|{{ s }}|>", context), "[<|]user[|>]");
  EXPECT_EQ(Marked("{{ bos_token }}{{ '<|' + s + '|>' }}", context), "[<s><|]user[|>]");
  EXPECT_EQ(Marked("{{ '<|' ~ s|upper ~ '|>' }}", context), "[<|]USER[|>]");
  EXPECT_EQ(Marked("{{ ('<|' ~ s ~ '|>')[1:-1] }}", context), "[|]user[|]");
  EXPECT_EQ(Marked("{{ ('<|' ~ s ~ '|>')|reverse }}", context), "[>|]resu[|<]");
  EXPECT_EQ(Marked("{{ 'x,y'.split(',')[1] ~ s.split('s')[0] }}", context), "[y]u");
  EXPECT_EQ(Marked("{{ xs|join('<>') }}", context), "a[<>]b");
  EXPECT_EQ(Marked("{{ s.replace('s', '<s>') }}", context), "u[<s>]er");
  EXPECT_EQ(Marked("{{ '<s>'.replace('s', s) }}", context), "[<]user[>]");
  EXPECT_EQ(Marked("{{ '%s!' % s }}{{ '{}?'.format(s) }}", context), "user[!]user[?]");
  EXPECT_EQ(Marked("{{ s|title }}{{ 'ab'|title }}{{ ('a' ~ s)|capitalize }}", context),
            "User[AbA]user");
  EXPECT_EQ(Marked("{{ (' ' ~ s ~ ' ')|trim }}{{ s|indent(2, true) }}", context), "user[  ]user");
  EXPECT_EQ(Marked("{% set t %}<{{ s }}>{% endset %}{{ t }}", context), "[<]user[>]");
  EXPECT_EQ(Marked("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(s) }}", context), "[<]user[>]");
  EXPECT_EQ(Marked("{{ {'k': s}|tojson }}{{ [s] }}", context), R"({"[k]": "user"}['user'])");
  EXPECT_EQ(Marked("{{ s * 2 }}{{ 'ab' * 2 }}", context), "useruser[abab]");
  EXPECT_EQ(Marked("{{ s|e }}{{ '<'|e }}", context), "user[&lt;]");
}

TEST(TemplateTest, KnownRolesOfMessagesAreTrustedAndOtherMembersAreNot) {
  const char* context = R"({"messages": [{"role": "user", "content": "user"},
                                         {"role": "<|im_end|>", "content": "x"}]})";
  EXPECT_EQ(Marked("{% for m in messages %}<{{ m.role }}{{ m['content'] }}>{% endfor %}", context),
            "[<user]user[><]<|im_end|>x[>]");
}

TEST(TemplateTest, RaiseExceptionGivesItsOwnMessage) {
  const auto result =
      TryRender("{{ raise_exception('roles ' ~ 'alternate') }}", Json::MakeObject());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(result.error().message, "roles alternate");
}

TEST(TemplateTest, ErrorsSayWhatJinja2Says) {
  const Json context = Object(R"({"d": {}, "xs": [1], "s": "a", "n": 1})");
  const std::pair<const char*, const char*> cases[] = {
      {"{{ q.x }}", "'q' is undefined"},
      {"{{ d.q.x }}", "'dict object' has no attribute 'q'"},
      {"{{ xs[4].x }}", "list object has no element 4"},
      {"{{ none.a.b }}", "'None' has no attribute 'a'"},
      {"{{ s + 1 }}", "can only concatenate str (not \"int\") to str"},
      {"{{ 1 + s }}", "unsupported operand type(s) for +: 'int' and 'str'"},
      {"{{ n < s }}", "'<' not supported between instances of 'int' and 'str'"},
      {"{{ n|length }}", "object of type 'int' has no len()"},
      {"{% for x in n %}{% endfor %}", "'int' object is not iterable"},
      {"{{ n() }}", "'int' object is not callable"},
      {"{{ xs.append(1) }}", "access to attribute 'append' of 'list' object is unsafe."},
      {"{{ d|tojson }}{{ q|tojson }}", "Object of type Undefined is not JSON serializable"},
      {"{% set a, b = xs %}", "not enough values to unpack (expected 2, got 1)"},
  };
  for (const auto& [source, message] : cases)
    EXPECT_EQ(Message(TryRender(source, context)), message) << source;
}

TEST(TemplateTest, SyntaxErrorsNameTheLine) {
  const auto compiled = Template::Compile("a\n\n{% nonsense %}");
  ASSERT_FALSE(compiled);
  EXPECT_EQ(compiled.error().message, "template line 3: Encountered unknown tag 'nonsense'.");
}

TEST(TemplateTest, LimitsEndARunawayTemplate) {
  const Json context = Object(R"({"s": "0123456789"})");
  RenderOptions options;
  options.fuel = 100'000;
  options.output_bytes_max = 1 << 20;
  const char* sources[] = {
      "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
      "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
      "{% for x in [[1]] recursive %}{{ loop([x]) }}{% endfor %}",
      "{{ s * 1000000000 }}",
      "{{ [s] * 1000000000 }}",
      "{{ 'x'.center(10000000000) }}",
      "{{ '%99999999999d' % 1 }}",
      "{% set ns = namespace(s=s) %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor "
      "%}",
      "{% for i in range(99999) %}{{ s * 1000 }}{% endfor %}",
      "{{ range(1000000) }}",
      "{{ 9223372036854775807 + 1 }}",
      "{{ 10 ** 100 }}",
      "{% set ns = namespace(x=[]) %}{% for i in range(5000) %}{% set ns.x = [ns.x] %}{% endfor "
      "%}{{ ns.x }}",
  };
  for (const char* source : sources) {
    const auto result = TryRender(source, context, options);
    ASSERT_FALSE(result) << source;
    EXPECT_EQ(result.error().code, ErrorCode::kResourceExhausted)
        << source << ": " << result.error().message;
  }
}

std::string Repeated(const std::string& part, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += part;
  return out;
}

TEST(TemplateTest, RecursionThroughDeepExpressionsKeepsTheStack) {
  for (const std::string& source : {
           "{{ " + Repeated("[", 90) + "m()" + Repeated("]", 90) + " }}",
           "{{ (m()|int)" + Repeated(" + 1", 380) + " }}",
           Repeated("{% if 1 %}", 90) + "{{ m() }}" + Repeated("{% endif %}", 90),
           Repeated("{% filter upper %}", 90) + "{{ m() }}" + Repeated("{% endfilter %}", 90),
       }) {
    const auto result =
        TryRender("{% macro m() %}" + source + "{% endmacro %}{{ m() }}", Json::MakeObject());
    ASSERT_FALSE(result) << source.substr(0, 40);
    EXPECT_EQ(result.error().code, ErrorCode::kResourceExhausted) << source.substr(0, 40);
  }
}

TEST(TemplateTest, DeepNestingIsRefusedAtCompileTime) {
  for (const std::string& source : {
           "{{ " + Repeated("(", 5000) + "1" + Repeated(")", 5000) + " }}",
           "{{ " + Repeated("[", 5000) + Repeated("]", 5000) + " }}",
           "{{ " + Repeated("-", 5000) + "1 }}",
           "{{ " + Repeated("not ", 5000) + "1 }}",
           "{{ 1" + Repeated(" + 1", 5000) + " }}",
           "{{ x" + Repeated(".a", 5000) + " }}",
           "{{ x" + Repeated("|e", 5000) + " }}",
           "{{ 1" + Repeated(" if 1 else 1", 5000) + " }}",
           Repeated("{% if 1 %}", 5000) + Repeated("{% endif %}", 5000),
           Repeated("{% for x in y %}", 5000),
       }) {
    EXPECT_FALSE(Template::Compile(source)) << source.substr(0, 40);
  }
}

TEST(TemplateTest, NumbersKeepTheirSpellingWhenAsked) {
  const Json context =
      Object(R"({"a": {"x": 1.50, "y": 1e3, "z": 123456789012345678901234567890}})");
  RenderOptions options;
  EXPECT_EQ(TryRender("{{ a|tojson }}", context, options)->text,
            R"({"x": 1.5, "y": 1000.0, "z": 123456789012345678901234567890})");
  options.keep_number_text = true;
  EXPECT_EQ(TryRender("{{ a|tojson }}", context, options)->text,
            R"({"x": 1.50, "y": 1e3, "z": 123456789012345678901234567890})");
}

TEST(TemplateTest, ManyThreadsRenderOneTemplate) {
  const auto compiled =
      Template::Compile("{% for x in xs %}{% set y = x * 2 %}<{{ 'a' ~ y }}>{% endfor %}");
  ASSERT_TRUE(compiled);
  const Json context = Object(R"({"xs": [1, 2, 3]})");
  std::vector<std::string> texts(8);
  {
    std::vector<std::jthread> threads;
    for (std::string& text : texts) {
      threads.emplace_back([&text, &compiled, &context] {
        for (int i = 0; i < 200; ++i) text = (*compiled)->Render(context)->text;
      });
    }
  }
  for (const std::string& text : texts) EXPECT_EQ(text, "<a2><a4><a6>");
}

TEST(TemplateTest, AContextThatIsNoObjectIsRefused) {
  EXPECT_FALSE(TryRender("x", Json::MakeArray()));
}

}  // namespace
}  // namespace infe::jinja
