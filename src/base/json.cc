#include "base/json.h"

#include <charconv>
#include <cmath>
#include <unordered_map>

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/src.hpp>
#include <fmt/format.h>

#include "base/utf8.h"

namespace infe {
namespace {

// Values of one text. A value costs the tree up to 200 bytes where the text spends two, so 16 MiB
// of text would be hundreds of MiB of tree. The largest honest body known is 128 prompts of 2048
// token ids, less a handful; a schema of 1 MiB has under 100,000 values.
constexpr size_t kValuesMax = 1 << 18;

// Builds the tree. Depth is counted here, so that the message can state our limit.
class TreeHandler {
 public:
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);

  void set_limits(const JsonLimits& limits) { limits_ = limits; }
  Json TakeRoot() { return std::move(root_); }
  const std::string& problem() const { return problem_; }

  using ec = boost::json::error_code;
  bool on_document_begin(ec&) { return true; }
  bool on_document_end(ec&) { return true; }
  bool on_object_begin(ec& e) { return Push(Json::MakeObject(), e); }
  bool on_object_end(std::size_t, ec&) {
    Pop();
    return true;
  }
  bool on_array_begin(ec& e) { return Push(Json::MakeArray(), e); }
  bool on_array_end(std::size_t, ec&) {
    Pop();
    return true;
  }
  bool on_key_part(boost::json::string_view s, std::size_t, ec&) {
    key_.append(s.data(), s.size());
    return true;
  }
  bool on_key(boost::json::string_view s, std::size_t, ec& e) {
    key_.append(s.data(), s.size());
    Level& level = stack_.back();
    Json::Object& members = level.value.object();
    // Small objects are searched, large ones get an index: linear time either way.
    level.place = members.size();
    if (members.size() < kIndexFrom) {
      for (size_t i = 0; i < members.size(); ++i)
        if (members[i].first == key_) level.place = i;
    } else {
      if (level.places.empty())
        for (size_t i = 0; i < members.size(); ++i) level.places.emplace(members[i].first, i);
      level.place = level.places.emplace(key_, members.size()).first->second;
    }
    if (level.place < members.size() && !limits_.allow_duplicate_keys)
      return Fail(fmt::format("the key \"{}\" appears twice in one object", key_.substr(0, 64)), e);
    level.key = std::move(key_);
    key_.clear();
    return true;
  }
  bool on_string_part(boost::json::string_view s, std::size_t, ec&) {
    text_.append(s.data(), s.size());
    return true;
  }
  bool on_string(boost::json::string_view s, std::size_t, ec& e) {
    text_.append(s.data(), s.size());
    if (!Count(e)) return false;
    Add(Json(std::move(text_)));
    text_.clear();
    return true;
  }
  bool on_number_part(boost::json::string_view s, ec&) {
    text_.append(s.data(), s.size());
    return true;
  }
  bool on_int64(std::int64_t, boost::json::string_view s, ec& e) { return Number(s, e); }
  bool on_uint64(std::uint64_t, boost::json::string_view s, ec& e) { return Number(s, e); }
  bool on_double(double, boost::json::string_view s, ec& e) { return Number(s, e); }
  bool on_bool(bool b, ec& e) {
    if (!Count(e)) return false;
    Add(Json(b));
    return true;
  }
  bool on_null(ec& e) {
    if (!Count(e)) return false;
    Add(Json());
    return true;
  }
  bool on_comment_part(boost::json::string_view, ec&) { return true; }
  bool on_comment(boost::json::string_view, ec&) { return true; }

 private:
  static constexpr size_t kIndexFrom = 16;
  struct Level {
    Json value;
    std::string key;   // of the member whose value comes next
    size_t place = 0;  // where it goes: at the end, or over an earlier one of the same key
    std::unordered_map<std::string, size_t> places;
  };

  bool Fail(std::string problem, ec& e) {
    problem_ = std::move(problem);
    e = boost::json::make_error_code(boost::json::error::syntax);
    return false;
  }
  // One more value; counted before anything is built for it.
  bool Count(ec& e) {
    if (++values_ <= kValuesMax) return true;
    return Fail(fmt::format("more than {} values", kValuesMax), e);
  }
  bool Number(boost::json::string_view s, ec& e) {
    text_.append(s.data(), s.size());
    if (!Count(e)) return false;
    Add(Json(JsonNumber{std::move(text_)}));
    text_.clear();
    return true;
  }
  bool Push(Json container, ec& e) {
    if (stack_.size() >= limits_.depth)
      return Fail(fmt::format("nested deeper than {} levels", limits_.depth), e);
    if (!Count(e)) return false;
    stack_.push_back({std::move(container), {}, 0, {}});
    return true;
  }
  void Pop() {
    Json done = std::move(stack_.back().value);
    stack_.pop_back();
    Add(std::move(done));
  }
  void Add(Json value) {
    if (stack_.empty()) {
      root_ = std::move(value);
    } else if (stack_.back().value.is_array()) {
      stack_.back().value.array().push_back(std::move(value));
    } else {
      Level& level = stack_.back();
      Json::Object& members = level.value.object();
      if (level.place < members.size()) {
        members[level.place].second = std::move(value);
      } else {
        members.emplace_back(std::move(level.key), std::move(value));
      }
    }
  }

  JsonLimits limits_;
  size_t values_ = 0;
  Json root_;
  std::vector<Level> stack_;
  std::string key_;
  std::string text_;
  std::string problem_;
};

}  // namespace

Result<Json> ParseJson(std::string_view text, const JsonLimits& limits) {
  boost::json::parse_options options;
  options.max_depth = limits.depth + 1;  // ours is stricter and says so
  boost::json::basic_parser<TreeHandler> parser(options);
  parser.handler().set_limits(limits);
  boost::json::error_code ec;
  const std::size_t used = parser.write_some(false, text.data(), text.size(), ec);
  if (ec) {
    const std::string& problem = parser.handler().problem();
    return InvalidArgument(
        fmt::format("invalid JSON at byte {}: {}", used, problem.empty() ? ec.message() : problem));
  }
  if (used != text.size())
    return InvalidArgument(fmt::format("invalid JSON at byte {}: text after the value", used));
  return parser.handler().TakeRoot();
}

Json::Json() noexcept = default;
Json::Json(const Json& other) = default;
Json::Json(Json&& other) noexcept = default;
Json& Json::operator=(const Json& other) = default;
Json& Json::operator=(Json&& other) noexcept = default;
Json::~Json() = default;
Json::Json(bool value) : value_(value) {}
Json::Json(JsonNumber value) : value_(std::move(value)) {}
Json::Json(std::string value) : value_(std::move(value)) {}
Json::Json(std::string_view value) : value_(std::string(value)) {}
Json::Json(const char* value) : value_(std::string(value)) {}
Json::Json(int64_t value) : value_(JsonNumber{std::to_string(value)}) {}
Json::Json(uint64_t value) : value_(JsonNumber{std::to_string(value)}) {}
Json::Json(double value) {
  std::string text;
  AppendJsonNumber(text, value);
  if (text != "null") value_ = JsonNumber{std::move(text)};
}
Json::Json(Array value) : value_(std::move(value)) {}
Json::Json(Object value) : value_(std::move(value)) {}
Json Json::MakeArray() {
  return Json(Array{});
}
Json Json::MakeObject() {
  return Json(Object{});
}

bool Json::as_bool() const {
  INFE_CHECK(is_bool());
  return std::get<bool>(value_);
}
const std::string& Json::as_string() const {
  INFE_CHECK(is_string());
  return std::get<std::string>(value_);
}
const std::string& Json::number_text() const {
  INFE_CHECK(is_number());
  return std::get<JsonNumber>(value_).text;
}
double Json::as_double() const {
  const std::string& text = number_text();
  double value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec == std::errc::result_out_of_range) {
    // from_chars does not say whether the number is too large or too small; strtod does.
    return std::strtod(text.c_str(), nullptr);
  }
  return value;
}
bool Json::is_integer() const {
  return is_number() && number_text().find_first_of(".eE") == std::string::npos;
}
std::optional<int64_t> Json::as_int64() const {
  const std::string& text = number_text();
  int64_t value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec == std::errc() && end == text.data() + text.size()) return value;
  if (ec != std::errc()) return std::nullopt;
  const double real = as_double();
  // 2^53: beyond it a double no longer tells integers apart.
  if (std::floor(real) != real || std::abs(real) > 9007199254740992.0) return std::nullopt;
  return static_cast<int64_t>(real);
}
const Json::Array& Json::array() const {
  INFE_CHECK(is_array());
  return std::get<Array>(value_);
}
Json::Array& Json::array() {
  INFE_CHECK(is_array());
  return std::get<Array>(value_);
}
const Json::Object& Json::object() const {
  INFE_CHECK(is_object());
  return std::get<Object>(value_);
}
Json::Object& Json::object() {
  INFE_CHECK(is_object());
  return std::get<Object>(value_);
}
const Json* Json::find(std::string_view key) const {
  if (!is_object()) return nullptr;
  for (const JsonMember& member : object())
    if (member.first == key) return &member.second;
  return nullptr;
}
Json& Json::set(std::string key, Json value) {
  for (JsonMember& member : object()) {
    if (member.first == key) {
      member.second = std::move(value);
      return member.second;
    }
  }
  object().emplace_back(std::move(key), std::move(value));
  return object().back().second;
}
void Json::push_back(Json value) {
  array().push_back(std::move(value));
}

bool Json::operator==(const Json& other) const {
  if (kind() != other.kind()) return false;
  switch (kind()) {
    case Kind::kNull:
      return true;
    case Kind::kBool:
      return as_bool() == other.as_bool();
    case Kind::kNumber:
      return number_text() == other.number_text();
    case Kind::kString:
      return as_string() == other.as_string();
    case Kind::kArray:
      return array() == other.array();
    case Kind::kObject:
      if (object().size() != other.object().size()) return false;
      for (const JsonMember& member : object()) {
        const Json* theirs = other.find(member.first);
        if (theirs == nullptr || !(*theirs == member.second)) return false;
      }
      return true;
  }
  return false;
}

std::string Json::Dump() const {
  std::string out;
  DumpTo(out);
  return out;
}

void Json::DumpTo(std::string& out) const {
  switch (kind()) {
    case Kind::kNull:
      out += "null";
      return;
    case Kind::kBool:
      out += as_bool() ? "true" : "false";
      return;
    case Kind::kNumber:
      out += number_text();
      return;
    case Kind::kString:
      AppendJsonString(out, as_string());
      return;
    case Kind::kArray: {
      char separator = '[';
      for (const Json& item : array()) {
        out += separator;
        separator = ',';
        item.DumpTo(out);
      }
      if (array().empty()) out += '[';
      out += ']';
      return;
    }
    case Kind::kObject: {
      char separator = '{';
      for (const JsonMember& member : object()) {
        out += separator;
        separator = ',';
        AppendJsonString(out, member.first);
        out += ':';
        member.second.DumpTo(out);
      }
      if (object().empty()) out += '{';
      out += '}';
      return;
    }
  }
}

void AppendJsonString(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  size_t i = 0;
  while (i < text.size()) {
    const unsigned char c = static_cast<unsigned char>(text[i]);
    if (c >= 0x80) {
      const size_t length = Utf8Length(text.substr(i));
      if (length == 0) {
        out += "\xEF\xBF\xBD";
        ++i;
      } else {
        out.append(text, i, length);
        i += length;
      }
      continue;
    }
    ++i;
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        if (c < 0x20) {
          out += "\\u00";
          out += kHex[c >> 4];
          out += kHex[c & 15];
        } else {
          out += static_cast<char>(c);
        }
    }
  }
  out += '"';
}

void AppendJsonNumber(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  char buffer[40];
  const auto [end, ec] = std::to_chars(buffer, buffer + sizeof buffer, value);
  INFE_CHECK(ec == std::errc());
  out.append(buffer, end);
}

}  // namespace infe
