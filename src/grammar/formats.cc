#include "grammar/formats.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "grammar/ecma_regex.h"

namespace infe::grammar {
namespace {

// RFC 3339: full-date with the days of each month. February 29 is checked against the leap year.
constexpr std::string_view kDate =
    "(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]"
    "|30)"
    "|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    "|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)";
// Seconds of 60 only where RFC 3339 lets a leap second be: 23:59:60 in UTC. Other offsets shift it;
// those are left out.
constexpr std::string_view kTime =
    "(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,18})?(?:[zZ]|[+-](?:[01][0-9]|2[0-"
    "3]"
    "):["
    "0-5][0-9])"
    "|23:59:60(?:\\.[0-9]{1,18})?(?:[zZ]|[+-]00:00))";
// ISO 8601 durations as RFC 3339 appendix A restricts them: units in order without gaps, or weeks.
constexpr std::string_view kDuration =
    "P(?:[0-9]{1,9}W|(?:[0-9]{1,9}D|[0-9]{1,9}M(?:[0-9]{1,9}D)?|[0-9]{1,9}Y(?:[0-9]{1,9}M(?:[0-9]{"
    "1,9}D)?)?)"
    "(?:T(?:[0-9]{1,9}S|[0-9]{1,9}M(?:[0-9]{1,9}S)?|[0-9]{1,9}H(?:[0-9]{1,9}M(?:[0-9]{1,9}S)?)?))?"
    "|T(?:[0-9]{1,9}S|[0-9]{1,9}M(?:[0-9]{1,9}S)?|[0-9]{1,9}H(?:[0-9]{1,9}M(?:[0-9]{1,9}S)?)?))";
constexpr std::string_view kIpv4 =
    "(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\\.){3}"
    "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
constexpr std::string_view kLabel = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
constexpr std::string_view kUuid =
    "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}";
constexpr std::string_view kPointer = "(?:/(?:[^~/]|~[01])*)*";

// RFC 3986. The characters of each part, percent escapes included.
constexpr std::string_view kBase64 =
    "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?";
constexpr std::string_view kScheme = "[A-Za-z][A-Za-z0-9+.-]*";

std::string Ipv6() {
  // RFC 4291 by the number of groups before and after "::".
  const std::string h = "[0-9a-fA-F]{1,4}";
  const std::string last = "(?:" + h + ":" + h + "|" + std::string(kIpv4) + ")";
  std::string all = "(?:" + h + ":){6}" + last;
  for (int before = 0; before <= 7; ++before) {
    std::string head;
    if (before == 1) head = h;
    if (before > 1) head = "(?:" + h + ":){" + std::to_string(before - 1) + "}" + h;
    head += "::";
    const int room = 7 - before;  // groups that may stand behind
    all += "|" + head;
    if (room >= 1) {
      all += "(?:" + h + "(?::" + h + "){0," + std::to_string(room - 1) + "}";
      if (room >= 2)
        all += "|(?:" + h + ":){0," + std::to_string(room - 2) + "}" + std::string(kIpv4);
      all += ")?";
    }
  }
  return "(?:" + all + ")";
}

// What RFC 3987 adds to the letters of RFC 3986, as part of a class.
constexpr std::string_view kIriLetters =
    "\\u00A0-\\uD7FF\\uF900-\\uFDCF\\uFDF0-\\uFFEF\\u{10000}-\\u{1FFFD}\\u{20000}-\\u{2FFFD}"
    "\\u{30000}-\\u{DFFFD}\\u{E1000}-\\u{EFFFD}";

// Private use, in queries alone.
constexpr const char* kIriPrivate = "\\uE000-\\uF8FF\\u{F0000}-\\u{FFFFD}\\u{100000}-\\u{10FFFD}";

// letters: beside those of RFC 3986, as part of a class.
std::string Authority(std::string_view letters) {
  const std::string plain = std::string("[A-Za-z0-9._~!$&'()*+,;=") + std::string(letters);
  const std::string user = "(?:(?:" + plain + ":-]|%[0-9A-Fa-f]{2})*@)?";
  const std::string name = "(?:" + plain + "-]|%[0-9A-Fa-f]{2})*";
  return user + "(?:\\[" + Ipv6() + "\\]|\\[[vV][0-9a-fA-F]+\\.[A-Za-z0-9._~!$&'()*+,;=:-]+\\]|" +
         name + ")(?::[0-9]*)?";
}

std::string Uri(bool reference, std::string_view letters) {
  const std::string plain = std::string("[A-Za-z0-9._~!$&'()*+,;=@") + std::string(letters);
  const std::string p = "(?:" + plain + ":-]|%[0-9A-Fa-f]{2})";
  const std::string query = "(?:" + p + "|[/?" + (letters.empty() ? "" : kIriPrivate) + "])*";
  const std::string tail = "(?:\\?" + query + ")?(?:#(?:" + p + "|[/?])*)?";
  const std::string slashes = "//" + Authority(letters) + "(?:/" + p + "*)*";
  const std::string absolute = "/(?:" + p + "+(?:/" + p + "*)*)?";
  const std::string rootless = p + "+(?:/" + p + "*)*";
  const std::string full =
      std::string(kScheme) + ":(?:" + slashes + "|" + absolute + "|" + rootless + "|)" + tail;
  if (!reference) return full;
  // The first segment of a relative path has no colon.
  const std::string segment = "(?:" + plain + "-]|%[0-9A-Fa-f]{2})+";
  return "(?:" + full + "|(?:" + slashes + "|" + absolute + "|" + segment + "(?:/" + p + "*)*|)" +
         tail + ")";
}

std::string Email(std::string_view letters) {
  const std::string atom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~" + std::string(letters) + "-]+";
  const std::string quoted = "\"(?:[ !#-\\[\\]-~" + std::string(letters) + "]|\\\\[ -~])*\"";
  const std::string end = "[A-Za-z0-9" + std::string(letters) + "]";
  const std::string label = end + "(?:[A-Za-z0-9" + std::string(letters) + "-]{0,61}" + end + ")?";
  return "(?:" + atom + "(?:\\." + atom + ")*|" + quoted + ")@(?:" + label + "(?:\\." + label +
         ")*|\\[(?:" + std::string(kIpv4) + "|IPv6:" + Ipv6() + ")\\])";
}

// RFC 6570.
std::string UriTemplate() {
  const std::string name = "(?:[A-Za-z0-9_]|%[0-9A-Fa-f]{2})";
  const std::string variable = name + "(?:\\.?" + name + ")*(?:\\*|:[1-9][0-9]{0,3})?";
  return "(?:[^\\u0000- \"%<>\\\\^`{|}\\u007F]|%[0-9A-Fa-f]{2}|\\{[+#./;?&=,!@|]?" + variable +
         "(?:," + variable + ")*\\})*";
}

std::string Uuid(char version) {
  return std::string("[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-") + version +
         "[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}";
}

struct Fixed {
  std::string_view format;
  std::string_view pattern;
};
// Outside of JSON Schema: what those who write them check, with bounds on what has none.
constexpr Fixed kFixed[] = {
    {"date", kDate},
    {"time", kTime},
    {"duration", kDuration},
    {"ipv4", kIpv4},
    {"uuid", kUuid},
    {"guid", kUuid},
    {"json-pointer", kPointer},
    {"base64", kBase64},
    {"byte", kBase64},
    {"base64url", "(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{2}(?:==)?|[A-Za-z0-9_-]{3}=?)?"},
    {"hex", "[0-9a-fA-F]*"},
    {"e164", "\\+[1-9][0-9]{6,14}"},
    {"jwt", "[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]*"},
    {"ulid", "[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}"},
    {"cuid", "[cC][0-9A-Za-z]{8,40}"},
    {"cuid2", "[a-z][0-9a-z]{1,63}"},
    {"nanoid", "[A-Za-z0-9_-]{21}"},
    {"ksuid", "[A-Za-z0-9]{27}"},
    {"xid", "[0-9a-vA-V]{20}"},
    {"mac", "[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}"},
};
// They mean how a value is kept or shown, or are checked by who asked.
constexpr std::string_view kFree[] = {"float",          "double",      "float16",  "half",
                                      "decimal",        "binary",      "path",     "file-path",
                                      "directory-path", "password",    "text",     "textarea",
                                      "multiline",      "json-string", "markdown", "html"};

std::string Pattern(std::string_view format) {
  for (const Fixed& fixed : kFixed)
    if (format == fixed.format) return std::string(fixed.pattern);
  if (format == "date-time") return std::string(kDate) + "[tT]" + std::string(kTime);
  if (format == "ipv6") return Ipv6();
  if (format == "ipvanyaddress") return "(?:" + std::string(kIpv4) + "|" + Ipv6() + ")";
  if (format == "cidrv4" || format == "ipv4network" || format == "ipv4interface")
    return std::string(kIpv4) + "/(?:3[0-2]|[12]?[0-9])";
  if (format == "cidrv6" || format == "ipv6network" || format == "ipv6interface")
    return Ipv6() + "/(?:12[0-8]|1[01][0-9]|[1-9]?[0-9])";
  if (format == "hostname")
    // Labels like xn--x stand for Unicode and would have to be decoded to be checked: never
    // written.
    return "(?=.{1,253}$)(?!(?:.*\\.)?[^.]{2}--)" + std::string(kLabel) + "(?:\\." +
           std::string(kLabel) + ")*";
  if (format == "email") return Email("");
  if (format == "idn-email") return Email("\\u0080-\\u{10FFFF}");
  if (format == "uri") return Uri(false, "");
  if (format == "uri-reference") return Uri(true, "");
  if (format == "iri") return Uri(false, kIriLetters);
  if (format == "iri-reference") return Uri(true, kIriLetters);
  if (format == "uri-template") return UriTemplate();
  if (format == "relative-json-pointer")
    return "(?:0|[1-9][0-9]*)(?:#|" + std::string(kPointer) + ")";
  if (format == "json-pointer-uri-fragment") return "#" + std::string(kPointer);
  if (format.size() == 5 && format.starts_with("uuid") && format[4] >= '1' && format[4] <= '8')
    return Uuid(format[4]);
  return "";
}

}  // namespace

std::optional<RegexId> FormatRegex(RegexPool& pool, std::string_view format) {
  const std::string pattern = Pattern(format);
  if (pattern.empty()) return std::nullopt;
  const auto regex = CompilePattern(pool, pattern, PatternMode::kWhole);
  if (!regex) return std::nullopt;
  return *regex;
}

std::optional<NumberBounds> FormatBounds(std::string_view format) {
  struct Width {
    std::string_view format;
    std::string_view lower;
    std::string_view upper;
  };
  static constexpr Width kWidths[] = {
      {"int8", "-128", "127"},
      {"int16", "-32768", "32767"},
      {"int32", "-2147483648", "2147483647"},
      {"int64", "-9223372036854775808", "9223372036854775807"},
      {"int", "-9223372036854775808", "9223372036854775807"},
      {"uint8", "0", "255"},
      {"uint16", "0", "65535"},
      {"uint32", "0", "4294967295"},
      {"uint64", "0", "18446744073709551615"},
      {"uint", "0", "18446744073709551615"},
      {"int128", "-170141183460469231731687303715884105728",
       "170141183460469231731687303715884105727"},
      {"uint128", "0", "340282366920938463463374607431768211455"},
  };
  for (const Width& width : kWidths) {
    if (format != width.format) continue;
    NumberBounds bounds;
    bounds.lower = {*ParseDecimal(width.lower), false};
    bounds.upper = {*ParseDecimal(width.upper), false};
    return bounds;
  }
  return std::nullopt;
}

bool IsFreeFormat(std::string_view format) {
  return std::ranges::find(kFree, format) != std::end(kFree);
}

}  // namespace infe::grammar
