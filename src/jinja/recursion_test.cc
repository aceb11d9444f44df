// Every function of this folder that can call itself, driven as deep as input can, on a small
// stack. tools/recursion lists them.
#include <string>

#include <gtest/gtest.h>

#include "base/json.h"
#include "base/small_stack.h"
#include "jinja/template.h"

namespace infe::jinja {
namespace {

std::string Repeated(std::string_view part, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out += part;
  return out;
}

// Compiles and renders on a small stack; whatever comes of it, the stack holds.
void Survives(const std::string& source, std::string_view context = "{}") {
  RunOnSmallStack([&] {
    const auto compiled = Template::Compile(source);
    if (!compiled) return;
    (void)(*compiled)->Render(*ParseJson(context, {.depth = 200}));
  });
}

TEST(TemplateRecursionTest, SyntaxAsDeepAsItCompiles) {
  // As deep as the bounds allow and a little deeper; the parser, the binder, the interpreter and
  // the tree's end all walk it.
  for (const size_t depth : {99, 100, 5000, 100'000}) {
    for (const auto& [open, close] : {
             std::pair{"(", ")"},
             std::pair{"[", "]"},
             std::pair{"{1: ", "}"},
             std::pair{"f(", ")"},
             std::pair{"x[", "]"},
             std::pair{"x[1:", "]"},
             std::pair{"-", ""},
             std::pair{"not ", ""},
             std::pair{"2 ** ", ""},
             std::pair{"1 if ", ""},
             std::pair{"1 if 1 else ", ""},
             std::pair{"[1, *", "]"},
             std::pair{"x|default(", ")"},
             std::pair{"x is eq(", ")"},
             std::pair{"dict(a=", ")"},
         }) {
      Survives("{{ " + Repeated(open, depth) + "1" + Repeated(close, depth) + " }}");
    }
    for (const auto& [open, close] : {
             std::pair{"{% if 1 %}", "{% endif %}"},
             std::pair{"{% for x in [1] %}", "{% endfor %}"},
             std::pair{"{% for x in [1] recursive %}", "{% endfor %}"},
             std::pair{"{% macro m() %}", "{% endmacro %}{{ m() }}"},
             std::pair{"{% call f() %}", "{% endcall %}"},
             std::pair{"{% filter upper %}", "{% endfilter %}"},
             std::pair{"{% set x %}", "{% endset %}{{ x }}"},
             std::pair{"{% with a = 1 %}", "{% endwith %}"},
             std::pair{"{% generation %}", "{% endgeneration %}"},
         }) {
      Survives("{% macro f() %}{{ caller() }}{% endmacro %}" + Repeated(open, depth) + "x" +
               Repeated(close, depth));
    }
    for (const char* tail :
         {".a", "[0]", "|e", " + 1", " ~ 1", " and 1", " or 1", " == 1", " is odd", "()", " if 1"})
      Survives("{{ 1" + Repeated(tail, depth * 4) + " }}");
    Survives("{% set " + Repeated("(", depth) + "a, b" + Repeated(")", depth) + " = 1 %}");
    Survives("{% for " + Repeated("(", depth) + "a, b" + Repeated("), c", depth) +
             " in [] %}{% endfor %}");
    Survives("{% if 0 %}" + Repeated("{% elif 0 %}", depth) + "{% endif %}");
  }
}

TEST(TemplateRecursionTest, CallsAsDeepAsTheyRun) {
  const std::string nested = Repeated("(", 90) + "m(n + 1)" + Repeated(")|upper", 90);
  for (const std::string& source : {
           std::string("{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}"),
           "{% macro m(n) %}{{ " + nested + " }}{% endmacro %}{{ m(0) }}",
           "{% macro m(n) %}" + Repeated("{% if 1 %}", 90) + "{{ m(n) }}" +
               Repeated("{% endif %}", 90) + "{% endmacro %}{{ m(0) }}",
           "{% macro m(n) %}" + Repeated("{% filter trim %}", 90) + "{{ m(n) }}" +
               Repeated("{% endfilter %}", 90) + "{% endmacro %}{{ m(0) }}",
           std::string("{% for x in [[1]] recursive %}{{ loop([x]) }}{% endfor %}"),
           std::string(
               "{% macro m() %}{% call m() %}{{ caller() }}{% endcall %}{% endmacro %}{{ m() }}"),
           std::string("{% macro m() %}{{ [1]|map('upper')|join ~ m() }}{% endmacro %}{{ m() }}"),
           std::string(
               "{% macro m(x) %}{% for i in [1] if m(x) %}{% endfor %}{% endmacro %}{{ m(1) }}"),
       }) {
    Survives(source);
  }
}

TEST(TemplateRecursionTest, ValuesAsDeepAsTheyAre) {
  const std::string deep =
      "{% set ns = namespace(a=[1], b=[1], t=(1,), d={'k': 1}, e={'k': 1}) %}"
      "{% for i in range(DEPTH) %}{% set ns.a = [ns.a] %}{% set ns.b = [ns.b] %}{% set ns.t = "
      "(ns.t,) %}{% set ns.d = {'k': ns.d} %}{% set ns.e = {'k': ns.e} %}{% endfor %}";
  for (const char* depth : {"190", "200", "5000"}) {
    std::string made = deep;
    made.replace(made.find("DEPTH"), 5, depth);
    for (const char* use : {
             "{{ ns.a }}",
             "{{ ns.d }}",
             "{{ ns.t }}",
             "{{ ns }}",
             "{{ ns.d.items() }}",
             "{{ ns.a|tojson(indent=2) }}",
             "{{ ns.d|tojson }}",
             "{{ ns.a == ns.b }}",
             "{{ ns.d == ns.e }}",
             "{{ ns.a < ns.b }}",
             "{{ {ns.t: 1} }}",
             "{{ [ns.t]|unique|list }}",
             "{{ [ns.a, ns.b]|sort }}",
             "{{ '%r' % (ns.a,) }}",
             "{{ '{}'.format(ns.d) }}",
             "{{ [ns.a]|join }}",
             "{{ ns.a in [ns.b] }}",
             "{{ raise_exception(ns.a) }}",
             "{% set ns.a = ns %}{{ ns }}",
         }) {
      Survives(made + use);
      // The same at the end of the longest way that the interpreter takes to it.
      Survives(made + "{% macro m(n) %}{% if n < 99 %}{{ m(n + 1) }}{% else %}" + use +
               "{% endif %}{% endmacro %}{{ m(0) }}");
    }
  }
}

TEST(TemplateRecursionTest, ContextsAsDeepAsTheyCome) {
  const std::string deep = R"({"messages": [{"role": "user", "x": )" + Repeated(R"({"a": [)", 95) +
                           "1" + Repeated("]}", 95) + "}]}";
  for (const char* source : {"{{ messages }}", "{{ messages|tojson(indent=8, sort_keys=true) }}",
                             "{{ messages == messages[:] }}"})
    Survives(source, deep);
}

}  // namespace
}  // namespace infe::jinja
