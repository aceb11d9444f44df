// What a template may cost: each of these families once ran for seconds or minutes, or would on a
// machine with the memory for it. A rendering ends, well or with a refusal that names its bound.
#include <chrono>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <time.h>

#include "base/json.h"
#include "jinja/template.h"

namespace infe::jinja {
namespace {

double CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

struct Rendering {
  Result<RenderedText> result;
  double seconds = 0;
};

Rendering Render(const std::string& source, const Json& context,
                 const RenderOptions& options = {}) {
  const auto compiled = Template::Compile(source);
  EXPECT_TRUE(compiled) << compiled.error().message;
  const double began = CpuSeconds();
  Rendering out{(*compiled)->Render(context, options), 0};
  out.seconds = CpuSeconds() - began;
  return out;
}

// a and b: lists that are equal and hold themselves twice, 40 levels deep, so that a walk of one
// takes 2^40 steps. t: the same of tuples, which can be keys.
std::string Doubled(const std::string& use) {
  return "{% set ns = namespace(a=[1], b=[1], t=(1,), u=(1,), d={'k': 1}, e={'k': 1}) %}"
         "{% for i in range(40) %}{% set ns.a = [ns.a, ns.a] %}{% set ns.b = [ns.b, ns.b] %}"
         "{% set ns.t = (ns.t, ns.t) %}{% set ns.u = (ns.u, ns.u) %}"
         "{% set ns.d = {'k': ns.d, 'l': ns.d} %}{% set ns.e = {'k': ns.e, 'l': ns.e} %}"
         "{% endfor %}\n" +
         use;
}

// s: a million times "a"; z: the same with "b" at the end; w: not ASCII.
std::string Long(const std::string& use) {
  return "{% set s = 'a' * 1000000 %}{% set z = s ~ 'b' %}{% set w = '\xC3\xA9' * 500000 %}"
         "{% set ns = namespace(x='', n=0) %}\n" +
         use;
}

std::string Forever(const std::string& body) {
  return "{% for i in range(90000) %}{% for j in range(90000) %}" + body +
         "{% endfor %}{% endfor %}";
}

class RefusedTemplate : public ::testing::TestWithParam<std::string> {};

TEST_P(RefusedTemplate, EndsWithItsBoundAndItsLine) {
  Json context = Json::MakeObject();
  context.set("messages", Json(Json::Array{}));
  const Rendering rendering = Render(GetParam(), context);
  ASSERT_FALSE(rendering.result);
  const Error& error = rendering.result.error();
  EXPECT_EQ(error.code, ErrorCode::kResourceExhausted) << error.message;
  EXPECT_NE(error.message.find("(line "), std::string::npos) << error.message;
  // Its bound is a tenth of that; a machine ten times as slow, or watched by a sanitizer, passes.
  EXPECT_LT(rendering.seconds, 5.0);
  RecordProperty("ms", static_cast<int>(rendering.seconds * 1000));
}

INSTANTIATE_TEST_SUITE_P(
    ComparingSharedStructures, RefusedTemplate,
    ::testing::Values(Doubled("{{ ns.a == ns.b }}"), Doubled("{{ ns.a != ns.b }}"),
                      Doubled("{{ ns.a < ns.b }}"), Doubled("{{ ns.a >= ns.b }}"),
                      Doubled("{{ ns.t == ns.u }}"), Doubled("{{ ns.d == ns.e }}"),
                      Doubled("{{ ns.a in [ns.b] }}"), Doubled("{{ [ns.b].index(ns.a) }}"),
                      Doubled("{{ [ns.b].count(ns.a) }}"), Doubled("{{ ns.a is eq ns.b }}"),
                      Doubled("{{ ns.a is in [ns.b] }}"), Doubled("{{ ns.a is le(ns.b) }}"),
                      Doubled("{{ [ns.a, ns.b]|sort }}"), Doubled("{{ [ns.a, ns.b]|max }}"),
                      Doubled("{{ [{'k': ns.a}, {'k': ns.b}]|groupby('k')|list }}"),
                      Doubled("{{ [ns.a, ns.b]|select('eq', ns.b)|list }}"),
                      Doubled("{{ {'p': ns.a, 'q': ns.b}|dictsort(by='value') }}"),
                      Doubled("{% for x in [ns.a, ns.b] %}{{ loop.changed(x) }}{% endfor %}")));

INSTANTIATE_TEST_SUITE_P(
    WritingAndHashingSharedStructures, RefusedTemplate,
    ::testing::Values(Doubled("{{ ns.a }}"), Doubled("{{ ns.a|string|length }}"),
                      Doubled("{{ ns.a|tojson }}"), Doubled("{{ ns.a|tojson(indent=1000) }}"),
                      Doubled("{{ ns.d|tojson(sort_keys=true) }}"), Doubled("{{ '%s' % (ns.a,) }}"),
                      Doubled("{{ '{!r}'.format(ns.a) }}"), Doubled("{{ [ns.a]|join }}"),
                      Doubled("{{ ns.a ~ '' }}"), Doubled("{{ ns.a|upper }}"),
                      Doubled("{{ {ns.t: 1} }}"), Doubled("{{ {}.get(ns.t) }}"),
                      Doubled("{{ ns.t in {} }}"), Doubled("{{ [ns.t, ns.u]|unique|list }}"),
                      Doubled("{{ dict([(ns.t, 1)]) }}")));

INSTANTIATE_TEST_SUITE_P(
    GrowingTexts, RefusedTemplate,
    ::testing::Values(Long(Forever("{% set ns.x = ns.x ~ s %}")),
                      Long(Forever("{% set ns.x = ns.x + s %}")),
                      Long(Forever("{% set ns.x = s * 60 %}")),
                      Long(Forever("{% set ns.x = s|replace('a', 'aa') %}")),
                      Long(Forever("{% set ns.x = s.replace('', 'b') %}")),
                      Long(Forever("{% set ns.x = '%60000000d' % 1 %}")),
                      Long(Forever("{% set ns.x = '%1000000d' % 1 %}")),
                      Long(Forever("{% set ns.x = '{:1000000}'.format(1) %}")),
                      Long(Forever("{% set ns.x = 'x'.center(1000000) %}")),
                      Long(Forever("{% set ns.x = 'x'.zfill(60000000) %}")),
                      Long(Forever("{% set ns.x = 'x'|center(9000000) %}")),
                      Long(Forever("{% set ns.x = '\\t'.expandtabs(1000) * 9 %}")),
                      Long(Forever("{% set ns.x = [s, s, s]|join(s) %}")),
                      Long(Forever("{% set ns.x = s.join([s, s, s]) %}")),
                      Long(Forever("{% set ns.x = s|indent(10000, true) %}")),
                      Long(Forever("{% set ns.x = s|urlencode %}")),
                      Long(Forever("{% set ns.x = s|e ~ s|e %}")), Long(Forever("{{ s }}"))));

INSTANTIATE_TEST_SUITE_P(
    WalkingTexts, RefusedTemplate,
    ::testing::Values(
        Long(Forever("{% set ns.n = s.find(z) %}{{ 'a' * 500000 ~ 'b' in s }}")),
        Long(Forever("{% set ns.n = s.rfind('b' ~ 'a' * 5000) %}")),
        Long(Forever("{% set ns.n = s.count('a' * 5000 ~ 'b') %}")),
        Long(Forever("{% set ns.n = s.split('a' * 5000 ~ 'b')|length %}")),
        Long(Forever("{% set ns.n = s.rsplit('b' ~ 'a' * 5000)|length %}")),
        Long(Forever("{% set ns.n = s.split('a')|length %}")),
        Long(Forever("{% set ns.n = s|list|length %}")),
        Long(Forever("{% set ns.n = s.splitlines()|length %}")),
        Long(Forever("{% set ns.n = s.partition(z)|length %}")),
        Long(Forever("{% set ns.n = s.strip(z)|length %}")),
        Long(Forever("{% set ns.n = s|trim(z)|length %}")),
        Long(Forever("{% set ns.n = w[499999] %}")), Long(Forever("{% set ns.n = w|length %}")),
        Long(Forever("{% set ns.n = w[::-1] %}")), Long(Forever("{% set ns.n = w[1:-1] %}")),
        Long(Forever("{% set ns.n = s|reverse %}")), Long(Forever("{% set ns.n = s.isalpha() %}")),
        Long(Forever("{% set ns.n = s.istitle() %}")), Long(Forever("{% set ns.n = s is lower %}")),
        Long(Forever("{% set ns.n = s.startswith(s ~ '') %}")),
        Long(Forever("{% set ns.n = s.removesuffix(z) %}")),
        Long(Forever("{% set ns.n = s == (s ~ '') %}")), Long(Forever("{% set ns.n = s < z %}")),
        Long(Forever("{% set ns.n = {s: 1}[s ~ ''] %}")), Long(Forever("{% set ns.n = s|title %}")),
        Long(Forever("{% set ns.n = s.casefold() %}")),
        Long(Forever("{% set ns.n = s|wordcount %}")),
        Long(Forever("{% set ns.n = s|truncate(999) %}")), Long(Forever("{% set ns.n = s|int %}")),
        Long(Forever("{% set ns.n = ('1' * 100000)|int < 5.5 %}")),
        Long(Forever("{% set ns.n = s|float %}")), Long(Forever("{% set ns.n = s|tojson %}")),
        Long(Forever("{% set ns.n = [s]|string %}")),
        Long(Forever("{% set ns.n = [1]|map(attribute='a.' * 100000, default=1)|list %}")),
        Long("{{ ('\\n' * 60000000).splitlines()|length }}"),
        Long("{{ (',' * 60000000).split(',')|length }}")));

INSTANTIATE_TEST_SUITE_P(
    LoopsAndSequences, RefusedTemplate,
    ::testing::Values(
        Forever(""), Forever("{% set x = i %}"),
        Forever("{% if i > j and not (i == j) %}{% endif %}"),
        Forever("{% set x = [i] * 1000000 %}"), Forever("{% set x = range(99999)|list %}"),
        Forever("{% set x = range(99999)|sort(reverse=true) %}"),
        Forever("{% set x = range(99999)|sum %}"),
        Forever("{% set x = range(99999)|batch(1)|list %}"),
        Forever("{% set x = range(99999)|slice(9)|list %}"),
        Forever("{% set x = range(99999)|map('string')|join %}"),
        Forever("{% set x = range(99999)|unique|list %}"),
        Forever("{% set x = 99999 in range(99999) %}"),
        Forever("{% set x = -1 in range(99999)|list %}"),
        Forever("{% set x = range(99999)|list + range(99999)|list %}"),
        Forever("{% set x = (range(99999)|list)[::-1] %}"),
        Forever("{% set x = (range(99999)|list)[1:] %}"), Forever("{% set x = range(99999)|max %}"),
        Forever("{% set x = range(99999)|select('odd')|list %}"),
        Forever("{% set x = range(99999)|reject('in', range(99999))|list %}"),
        Forever("{% set x = range(99999)|groupby('real')|list %}"),
        Forever("{% set x = dict([(1, 2)]) %}"),
        Forever("{{ undefined_name is defined }}{{ [].y is defined }}"),
        Forever("{% set x = namespace(a=1) %}"),
        "{% macro m(a, b=[1]) %}{{ caller() }}{% endmacro %}" +
            Forever("{% call m(1) %}x{% endcall %}"),
        "{% macro m() %}{{ varargs|length }}{{ kwargs|length }}{% endmacro %}" +
            Forever("{{ m(*range(9999)) }}"),
        "{% set ns = namespace(l=[0]) %}{% for i in range(99) %}{% set ns.l = ns.l + ns.l %}{% "
        "endfor %}",
        "{% set ns = namespace(l='x') %}{% for i in range(99) %}{% set ns.l = [ns.l] * 999 %}"
        "{% for j in range(999) %}{% set ns.l = ns.l + ns.l[:99] %}{% endfor %}{% endfor %}",
        Forever("{{ strftime_now('%c' * 1000)|length }}")));

TEST(TemplateFuelTest, MemoryIsBoundedBeforeItIsTaken) {
  RenderOptions options;
  options.fuel = UINT64_MAX / 1024;
  options.cpu_time_max = std::chrono::milliseconds::max();
  options.memory_bytes_max = 8u << 20;
  for (const char* source : {
           "{% set ns = namespace(l=[]) %}{% for i in range(99999) %}{% set ns.l = [ns.l, 'x' * "
           "999] "
           "%}{% endfor %}",
           "{{ ('x' * 9000000)|length }}",
           "{{ (('x,' * 99999).split(',') * 9)|length }}",
           "{{ (range(99999)|list + range(99999)|list)|length }}",
           "{% set x = range(99999)|map('string')|list %}{% set y = "
           "range(99999)|map('string')|list %}",
           "{% macro m() %}{% set a, b, c, d, e, f = 1, 2, 3, 4, 5, 6 %}{% macro n() %}{% endmacro "
           "%}{% endmacro %}{% for i in range(99999) %}{{ m() }}{% endfor %}",
       }) {
    const Rendering rendering = Render(source, Json::MakeObject(), options);
    ASSERT_FALSE(rendering.result) << source;
    EXPECT_NE(rendering.result.error().message.find("bytes of memory"), std::string::npos)
        << source << ": " << rendering.result.error().message;
  }
}

TEST(TemplateFuelTest, MemoryThatWasGivenBackIsNotCounted) {
  RenderOptions options;
  options.memory_bytes_max = 8u << 20;
  const Rendering rendering = Render(
      "{% set ns = namespace(x='') %}{% set ten = 'x' * 10000 %}{% for i in range(90) %}{% set "
      "ns.x = ten * 100 %}{% "
      "endfor "
      "%}{{ ns.x|length }}",
      Json::MakeObject(), options);
  ASSERT_TRUE(rendering.result) << rendering.result.error().message;
  EXPECT_EQ(rendering.result->text, "1000000");
}

TEST(TemplateFuelTest, ProcessorTimeIsTheLastBound) {
  RenderOptions options;
  options.fuel = UINT64_MAX / 1024;
  options.cpu_time_max = std::chrono::milliseconds(20);
  const Rendering rendering = Render(Forever(""), Json::MakeObject(), options);
  ASSERT_FALSE(rendering.result);
  EXPECT_EQ(rendering.result.error().message,
            "the template needs more than 20 ms of CPU time (line 1)");
}

TEST(TemplateFuelTest, RaisedTextIsCutAtACharacter) {
  const Rendering rendering =
      Render("{{ raise_exception('x' ~ '\xC3\xA9' * 5000) }}", Json::MakeObject());
  ASSERT_FALSE(rendering.result);
  EXPECT_EQ(rendering.result.error().message.size(), 4095u + 3u);
  EXPECT_TRUE(rendering.result.error().message.ends_with("\xC3\xA9..."));
}

// The fuel is for templates; what conversations need is far from it.
TEST(TemplateFuelTest, TheLargestConversationsFit) {
  Json::Array messages;
  for (int i = 0; i < 2000; ++i) {
    Json message = Json::MakeObject();
    message.set("role", i % 2 == 0 ? "user" : "assistant");
    message.set("content", std::string(8000, 'a' + i % 26));
    messages.push_back(std::move(message));
  }
  Json::Array tools;
  for (int i = 0; i < 128; ++i) {
    tools.push_back(*ParseJson(fmt::format(
        R"({{"type": "function", "function": {{"name": "tool_{}", "description": "{}", "parameters": )"
        R"({{"type": "object", "properties": {{"a": {{"type": "string"}}, "b": {{"type": "number"}}}}}}}}}})",
        i, std::string(1000, 'd'))));
  }
  Json context = Json::MakeObject();
  context.set("messages", Json(std::move(messages)));
  context.set("tools", Json(std::move(tools)));
  RenderOptions options;  // steps and memory as they are; a sanitizer's time is not judged
  options.cpu_time_max = std::chrono::milliseconds::max();
  const Rendering rendering = Render(
      "{% for tool in tools %}{{ tool|tojson(indent=4) }}\n{% endfor %}"
      "{% set ns = namespace(last=-1) %}"
      "{% for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}"
      "{% endfor %}{% for m in messages %}{% set content = m.content %}"
      "{% if '</think>' in content %}{% set content = content.split('</think>')[-1].lstrip('\\n') "
      "%}"
      "{% endif %}{{ '<|im_start|>' + m.role + '\\n' + content|trim + '<|im_end|>\\n' }}{% endfor "
      "%}",
      context, options);
  ASSERT_TRUE(rendering.result) << rendering.result.error().message;
  EXPECT_GT(rendering.result->text.size(), 16'000'000u);
}

}  // namespace
}  // namespace infe::jinja
