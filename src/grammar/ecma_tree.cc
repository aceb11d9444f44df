#include "grammar/ecma_tree.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "base/utf8.h"
#include "grammar/limits.h"
#include "grammar/regex_pool.h"

namespace infe::grammar {
namespace {

CharSet WordCharacters() {
  CharSet set = CharSet::Range('0', '9');
  set.Add('A', 'Z');
  set.Add('_', '_');
  set.Add('a', 'z');
  return set;
}

CharSet SpaceCharacters() {
  CharSet set = CharSet::Range(9, 13);
  for (const auto& [lo, hi] : {CharRange{' ', ' '},
                               {0xA0, 0xA0},
                               {0x1680, 0x1680},
                               {0x2000, 0x200A},
                               {0x2028, 0x2029},
                               {0x202F, 0x202F},
                               {0x205F, 0x205F},
                               {0x3000, 0x3000},
                               {0xFEFF, 0xFEFF}})
    set.Add(lo, hi);
  return set;
}

CharSet DotCharacters() {
  CharSet lines = CharSet::Of('\n');
  lines.Add('\r', '\r');
  lines.Add(0x2028, 0x2029);
  return lines.Complement();
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<EcmaTreePtr> Parse() {
    INFE_ASSIGN(EcmaTreePtr tree, Alternatives(0));
    if (at_ < text_.size()) return Bad("a ) that closes nothing");
    return tree;
  }

 private:
  Error Bad(std::string_view what) const {
    return InvalidArgument(fmt::format("pattern: {} at byte {}", what, at_));
  }
  Error No(std::string_view what) const {
    return Unsupported(fmt::format("pattern: {} at byte {} is not supported", what, at_));
  }
  bool AtEnd() const { return at_ >= text_.size(); }
  char Peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  bool Take(std::string_view what) {
    if (text_.substr(at_, what.size()) != what) return false;
    at_ += what.size();
    return true;
  }

  static EcmaTreePtr Set(CharSet set) {
    auto tree = std::make_unique<EcmaTree>();
    tree->kind = EcmaTree::Kind::kSet;
    tree->set = std::move(set);
    return tree;
  }

  static EcmaTreePtr Anchor(EcmaTree::Kind kind) {
    auto tree = std::make_unique<EcmaTree>();
    tree->kind = kind;
    tree->has_anchor = true;
    return tree;
  }

  Result<EcmaTreePtr> Alternatives(size_t depth) {
    if (depth > kRegexDepthMax)
      return ResourceExhausted(fmt::format(
          "pattern: more than {} groups inside each other (kRegexDepthMax)", kRegexDepthMax));
    auto tree = std::make_unique<EcmaTree>();
    tree->kind = EcmaTree::Kind::kOr;
    do {
      INFE_ASSIGN(EcmaTreePtr child, Sequence(depth));
      tree->Take(std::move(child));
    } while (Take("|"));
    if (tree->children.size() == 1) return std::move(tree->children.front());
    return tree;
  }

  Result<EcmaTreePtr> Sequence(size_t depth) {
    auto tree = std::make_unique<EcmaTree>();
    tree->kind = EcmaTree::Kind::kConcat;
    while (!AtEnd() && Peek() != '|' && Peek() != ')') {
      const char c = Peek();
      if (c == '^' || c == '$') {
        ++at_;
        if (IsQuantifier()) return No("a repeated anchor");
        tree->children.push_back(Anchor(c == '^' ? EcmaTree::Kind::kStart : EcmaTree::Kind::kEnd));
        tree->has_anchor = true;
        continue;
      }
      const size_t begin = at_;
      INFE_ASSIGN(EcmaTreePtr atom, Atom(depth));
      atom->at = begin;
      INFE_ASSIGN(atom, Quantified(std::move(atom)));
      tree->Take(std::move(atom));
    }
    return tree;
  }

  bool IsQuantifier() const {
    const char c = Peek();
    return c == '*' || c == '+' || c == '?' || (c == '{' && Counts().has_value());
  }

  struct Count {
    uint32_t min;
    uint32_t max;
    size_t length;
  };
  // {3}, {3,} and {3,5}; anything else in braces is text.
  std::optional<Count> Counts() const {
    size_t i = at_ + 1;
    const auto number = [&](uint64_t* value) {
      const size_t begin = i;
      *value = 0;
      while (i < text_.size() && text_[i] >= '0' && text_[i] <= '9')
        *value =
            std::min<uint64_t>(*value * 10 + static_cast<uint64_t>(text_[i++] - '0'), 1ull << 40);
      return i > begin;
    };
    uint64_t min = 0;
    uint64_t max = 0;
    if (!number(&min)) return std::nullopt;
    max = min;
    if (i < text_.size() && text_[i] == ',') {
      ++i;
      if (!number(&max)) max = kUnbounded;
    }
    if (i >= text_.size() || text_[i] != '}') return std::nullopt;
    return Count{static_cast<uint32_t>(std::min<uint64_t>(min, kUnbounded - 1)),
                 static_cast<uint32_t>(std::min<uint64_t>(max, kUnbounded)), i + 1 - at_};
  }

  Result<EcmaTreePtr> Quantified(EcmaTreePtr atom) {
    uint32_t min = 1;
    uint32_t max = 1;
    if (Take("*")) {
      min = 0;
      max = kUnbounded;
    } else if (Take("+")) {
      max = kUnbounded;
    } else if (Take("?")) {
      min = 0;
    } else if (Peek() == '{') {
      const auto count = Counts();
      if (!count) return atom;
      min = count->min;
      max = count->max;
      if (min > max) return Bad("a repeat whose bounds are the wrong way round");
      if (min > kRepeatMax || (max > kRepeatMax && max != kUnbounded))
        return ResourceExhausted(
            fmt::format("pattern: a repeat of more than {} (kRepeatMax)", kRepeatMax));
      at_ += count->length;
    } else {
      return atom;
    }
    Take("?");  // lazy or greedy: the same language
    if (IsQuantifier()) return Bad("two quantifiers in a row");
    if (atom->has_ahead) return No("lookahead inside a repeat");
    auto tree = std::make_unique<EcmaTree>();
    tree->kind = EcmaTree::Kind::kRepeat;
    tree->min = min;
    tree->max = max;
    tree->at = atom->at;
    tree->Take(std::move(atom));
    return tree;
  }

  Result<EcmaTreePtr> Atom(size_t depth) {
    const char c = Peek();
    if (c == '(') {
      ++at_;
      bool ahead = false;
      bool negative = false;
      if (Take("?:")) {
      } else if (Take("?=")) {
        ahead = true;
      } else if (Take("?!")) {
        ahead = negative = true;
      } else if (Take("?<=") || Take("?<!")) {
        return No("lookbehind");
      } else if (Take("?<") || Take("?P<")) {
        const size_t end = text_.find('>', at_);
        if (end == std::string_view::npos) return Bad("a group name without >");
        at_ = end + 1;
      } else if (Peek() == '?') {
        return No("a group of this kind");
      }
      INFE_ASSIGN(EcmaTreePtr inner, Alternatives(depth + 1));
      if (!Take(")")) return Bad("a group that is not closed");
      if (!ahead) return inner;
      if (inner->has_ahead) return No("lookahead inside lookahead");
      auto tree = std::make_unique<EcmaTree>();
      tree->kind = EcmaTree::Kind::kAhead;
      tree->negative = negative;
      tree->Take(std::move(inner));
      tree->has_ahead = true;
      return tree;
    }
    if (c == '[') {
      ++at_;
      return Class();
    }
    if (c == '.') {
      ++at_;
      return Set(DotCharacters());
    }
    if (c == '\\') {
      ++at_;
      if (Peek() == 'b' || Peek() == 'B') return No("a word border");
      if ((Peek() >= '1' && Peek() <= '9') || Peek() == 'k') return No("a back reference");
      INFE_ASSIGN(const CharSet set, Escape());
      return Set(set);
    }
    if (c == '*' || c == '+' || c == '?') return Bad("a quantifier with nothing before it");
    return Set(CharSet::Of(DecodeUtf8(text_, at_)));
  }

  std::optional<uint32_t> Hex(size_t digits) {
    if (at_ + digits > text_.size()) return std::nullopt;
    uint32_t value = 0;
    for (size_t i = 0; i < digits; ++i) {
      const char c = text_[at_ + i];
      const int d = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
      if (d < 0) return std::nullopt;
      value = value * 16 + static_cast<uint32_t>(d);
    }
    at_ += digits;
    return value;
  }

  // After a backslash.
  Result<CharSet> Escape() {
    if (AtEnd()) return Bad("a backslash at the end");
    const char c = text_[at_];
    if (static_cast<uint8_t>(c) >= 0x80) return CharSet::Of(DecodeUtf8(text_, at_));
    ++at_;
    switch (c) {
      case 'd':
        return CharSet::Range('0', '9');
      case 'D':
        return CharSet::Range('0', '9').Complement();
      case 'w':
        return WordCharacters();
      case 'W':
        return WordCharacters().Complement();
      case 's':
        return SpaceCharacters();
      case 'S':
        return SpaceCharacters().Complement();
      case 't':
        return CharSet::Of('\t');
      case 'n':
        return CharSet::Of('\n');
      case 'r':
        return CharSet::Of('\r');
      case 'f':
        return CharSet::Of('\f');
      case 'v':
        return CharSet::Of('\v');
      case '0':
        return CharSet::Of(0);
      case 'p':
      case 'P':
        return No("a Unicode property");
      case 'c':
        if (!AtEnd() && ((Peek() | 0x20) >= 'a') && ((Peek() | 0x20) <= 'z'))
          return CharSet::Of(static_cast<uint32_t>(text_[at_++] & 31));
        return Bad("\\c without a letter");
      case 'x':
        if (const auto value = Hex(2)) return CharSet::Of(*value);
        return Bad("\\x without two hexadecimal digits");
      case 'u':
        return UnicodeEscape();
      default:
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return Bad("an unknown escape");
        return CharSet::Of(static_cast<uint8_t>(c));
    }
  }

  Result<CharSet> UnicodeEscape() {
    if (Take("{")) {
      uint32_t value = 0;
      size_t digits = 0;
      while (const auto digit = Hex(1)) {
        value = std::min(value * 16 + *digit, 0x200000u);
        ++digits;
      }
      if (digits == 0 || !Take("}") || value > kCodePointMax) return Bad("a malformed \\u{}");
      return CharSet::Of(value);
    }
    const auto value = Hex(4);
    if (!value) return Bad("\\u without four hexadecimal digits");
    if (*value >= 0xD800 && *value <= 0xDBFF && text_.substr(at_, 2) == "\\u") {
      const size_t before = at_;
      at_ += 2;
      const auto low = Hex(4);
      if (low && *low >= 0xDC00 && *low <= 0xDFFF)
        return CharSet::Of(0x10000 + ((*value - 0xD800) << 10) + (*low - 0xDC00));
      at_ = before;
    }
    return CharSet::Of(*value);
  }

  Result<EcmaTreePtr> Class() {
    const bool negative = Take("^");
    CharSet set;
    while (true) {
      if (AtEnd()) return Bad("a class that is not closed");
      if (Take("]")) break;
      INFE_ASSIGN(const CharSet low, ClassMember());
      const bool single = low.ranges().size() == 1 && low.ranges()[0].lo == low.ranges()[0].hi;
      if (single && Peek() == '-' && Peek(1) != ']' && Peek(1) != '\0') {
        const size_t before = at_;
        ++at_;
        INFE_ASSIGN(const CharSet high, ClassMember());
        const bool closes = high.ranges().size() == 1 && high.ranges()[0].lo == high.ranges()[0].hi;
        if (closes) {
          if (high.ranges()[0].lo < low.ranges()[0].lo) return Bad("a range the wrong way round");
          set.Add(low.ranges()[0].lo, high.ranges()[0].lo);
          continue;
        }
        at_ = before;  // [a-\d]: the hyphen is itself
      }
      set.Add(low);
    }
    return Set(negative ? set.Complement() : set);
  }

  Result<CharSet> ClassMember() {
    if (!Take("\\")) return CharSet::Of(DecodeUtf8(text_, at_));
    if (Take("b")) return CharSet::Of(8);
    return Escape();
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

Result<EcmaTreePtr> ParseEcmaPattern(std::string_view pattern) {
  if (pattern.size() > kRegexBytesMax)
    return ResourceExhausted(
        fmt::format("pattern: longer than {} bytes (kRegexBytesMax)", kRegexBytesMax));
  if (!IsValidUtf8(pattern)) return InvalidArgument("pattern: not UTF-8");
  return Parser(pattern).Parse();
}

}  // namespace infe::grammar
