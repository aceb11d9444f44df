#include "grammar/formats.h"

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
    "(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]+)?(?:[zZ]|[+-](?:[01][0-9]|2[0-3]):["
    "0-5][0-9])"
    "|23:59:60(?:\\.[0-9]+)?(?:[zZ]|[+-]00:00))";
// ISO 8601 durations as RFC 3339 appendix A restricts them: units in order without gaps, or weeks.
constexpr std::string_view kDuration =
    "P(?:[0-9]+W|(?:[0-9]+D|[0-9]+M(?:[0-9]+D)?|[0-9]+Y(?:[0-9]+M(?:[0-9]+D)?)?)"
    "(?:T(?:[0-9]+S|[0-9]+M(?:[0-9]+S)?|[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?))?"
    "|T(?:[0-9]+S|[0-9]+M(?:[0-9]+S)?|[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?))";
constexpr std::string_view kIpv4 =
    "(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\\.){3}"
    "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
constexpr std::string_view kLabel = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
constexpr std::string_view kUuid =
    "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}";
constexpr std::string_view kPointer = "(?:/(?:[^~/]|~[01])*)*";

// RFC 3986. The characters of each part, percent escapes included.
constexpr std::string_view kPchar = "(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})";
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

std::string Authority() {
  const std::string user = "(?:(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*@)?";
  const std::string name = "(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*";
  return user + "(?:\\[" + Ipv6() + "\\]|\\[v[0-9a-fA-F]+\\.[A-Za-z0-9._~!$&'()*+,;=:-]+\\]|" +
         name + ")(?::[0-9]*)?";
}

std::string Uri(bool reference) {
  const std::string p(kPchar);
  const std::string tail = "(?:\\?(?:" + p + "|[/?])*)?(?:#(?:" + p + "|[/?])*)?";
  const std::string slashes = "//" + Authority() + "(?:/" + p + "*)*";
  const std::string absolute = "/(?:" + p + "+(?:/" + p + "*)*)?";
  const std::string rootless = p + "+(?:/" + p + "*)*";
  const std::string full =
      std::string(kScheme) + ":(?:" + slashes + "|" + absolute + "|" + rootless + "|)" + tail;
  if (!reference) return full;
  // The first segment of a relative path has no colon.
  const std::string segment = "(?:[A-Za-z0-9._~!$&'()*+,;=@-]|%[0-9A-Fa-f]{2})+";
  return "(?:" + full + "|(?:" + slashes + "|" + absolute + "|" + segment + "(?:/" + p + "*)*|)" +
         tail + ")";
}

std::string Email() {
  const std::string atom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
  const std::string quoted = "\"(?:[ !#-\\[\\]-~]|\\\\[ -~])*\"";
  const std::string label(kLabel);
  return "(?:" + atom + "(?:\\." + atom + ")*|" + quoted + ")@(?:" + label + "(?:\\." + label +
         ")*|\\[(?:" + std::string(kIpv4) + "|IPv6:" + Ipv6() + ")\\])";
}

std::string Pattern(std::string_view format) {
  const std::string date(kDate);
  const std::string time(kTime);
  if (format == "date") return date;
  if (format == "time") return time;
  if (format == "date-time") return date + "[tT]" + time;
  if (format == "duration") return std::string(kDuration);
  if (format == "ipv4") return std::string(kIpv4);
  if (format == "ipv6") return Ipv6();
  if (format == "uuid") return std::string(kUuid);
  if (format == "hostname")
    // Labels like xn--x stand for Unicode and would have to be decoded to be checked: never
    // written.
    return "(?=.{1,253}$)(?!(?:.*\\.)?[^.]{2}--)" + std::string(kLabel) + "(?:\\." +
           std::string(kLabel) + ")*";
  if (format == "email") return Email();
  if (format == "uri") return Uri(false);
  if (format == "uri-reference") return Uri(true);
  if (format == "json-pointer") return std::string(kPointer);
  if (format == "relative-json-pointer")
    return "(?:0|[1-9][0-9]*)(?:#|" + std::string(kPointer) + ")";
  if (format == "json-pointer-uri-fragment") return "#" + std::string(kPointer);
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

}  // namespace infe::grammar
