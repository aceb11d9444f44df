// Text: an immutable string of the interpreter, in which every byte knows whether the template
// wrote it (trusted) or the request. Copying shares. Positions are bytes unless a name says
// characters (code points, as Python counts).
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "jinja/error.h"
#include "jinja/meter.h"

namespace infe::jinja {

// No string of a template is longer: as much as one rendering may put out.
inline constexpr size_t kTextBytesMax = 64u << 20;

class Text {
 public:
  Text() = default;
  static Text Trusted(std::string bytes) { return Make(std::move(bytes), true); }
  static Text Untrusted(std::string bytes) { return Make(std::move(bytes), false); }

  std::string_view view() const {
    return rep_ ? std::string_view(rep_->bytes) : std::string_view();
  }
  size_t size() const { return rep_ ? rep_->bytes.size() : 0; }
  bool empty() const { return size() == 0; }
  bool is_ascii() const { return !rep_ || rep_->ascii; }

  // Python's Markup: a string that says it is HTML. Without autoescape only `+` and `escape` care.
  bool is_markup() const { return markup_; }
  Text AsMarkup(bool markup) const {
    Text copy = *this;
    copy.markup_ = markup;
    return copy;
  }

  size_t CharacterCount() const;
  // Byte offset of character `index`; size() when there are no more.
  size_t ByteOffset(size_t index) const;
  Text Slice(size_t begin, size_t end) const;

  // Calls visit(begin, end, trusted) for the maximal ranges of one origin within [begin, end).
  template <typename Visit>
  void ForEachRange(size_t begin, size_t end, Visit visit) const {
    if (!rep_ || begin >= end) return;
    const std::vector<size_t>& edges = rep_->edges;
    size_t next =
        static_cast<size_t>(std::upper_bound(edges.begin(), edges.end(), begin) - edges.begin());
    bool trusted = rep_->first_trusted != (next % 2 != 0);
    size_t at = begin;
    for (; next < edges.size(); ++next) {
      const size_t edge = edges[next];
      const size_t from = at < begin ? begin : at;
      const size_t to = edge < end ? edge : end;
      if (from < to) visit(from, to, trusted);
      if (edge >= end) return;
      at = edge;
      trusted = !trusted;
    }
    visit(at < begin ? begin : at, end, trusted);
  }
  // Whether all bytes are the template's. True for the empty text.
  bool IsTrusted() const { return !rep_ || (rep_->first_trusted && rep_->edges.empty()); }

 private:
  friend class TextBuilder;
  struct Rep {
    std::string bytes;
    bool ascii = true;
    bool first_trusted = false;
    std::vector<size_t> edges;  // where the origin flips; ascending, inside (0, size)
    HeldBytes held;
  };
  static Text Make(std::string bytes, bool trusted);
  static Text FromRep(Rep rep);

  std::shared_ptr<const Rep> rep_;  // shared: values are copied freely, threads share constants
  bool markup_ = false;
};

// Appends pieces with their origins.
class TextBuilder {
 public:
  void Append(std::string_view bytes, bool trusted) {
    if (bytes.empty()) return;
    SpendTicks(kTurnTicks + bytes.size());
    if (bytes.size() > kTextBytesMax - bytes_.size())
      FailLimit("a string of the template grows too long");
    Mark(trusted);
    bytes_.append(bytes);
    if (bytes_.capacity() != capacity_) CountMemory();
  }
  void Append(const Text& text) { Append(text, 0, text.size()); }
  void Append(const Text& text, size_t begin, size_t end);
  size_t size() const { return bytes_.size(); }
  Text Take();
  // The bytes and the trusted ranges, and an empty builder.
  std::string TakeBytes(std::vector<std::pair<size_t, size_t>>* trusted);

 private:
  void Mark(bool trusted);
  void CountMemory();
  std::string bytes_;
  size_t capacity_ = std::string().capacity();  // of bytes_, when memory was counted last
  HeldBytes held_;
  bool first_trusted_ = false;
  bool last_trusted_ = false;
  std::vector<size_t> edges_;
};

Text operator+(const Text& a, const Text& b);
inline bool operator==(const Text& a, const Text& b) {
  return a.view() == b.view();
}

}  // namespace infe::jinja
