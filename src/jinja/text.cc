#include "jinja/text.h"

#include <algorithm>
#include <utility>

namespace infe::jinja {
namespace {

bool IsAscii(std::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) { return (c & 0x80) == 0; });
}
bool IsContinuation(char c) {
  return (c & 0xC0) == 0x80;
}

}  // namespace

Text Text::Make(std::string bytes, bool trusted) {
  if (bytes.empty()) return {};
  SpendTicks(bytes.size());
  Rep rep;
  rep.ascii = IsAscii(bytes);
  rep.bytes = std::move(bytes);
  rep.first_trusted = trusted;
  return FromRep(std::move(rep));
}

Text Text::FromRep(Rep rep) {
  SpendTicks(kMakingTicks + rep.bytes.size() / 8);  // its bytes were paid for when they came
  rep.held.Set(sizeof(Rep) + rep.bytes.capacity() + rep.edges.capacity() * sizeof(size_t));
  Text text;
  text.rep_ = std::make_shared<const Rep>(std::move(rep));
  return text;
}

size_t Text::CharacterCount() const {
  if (is_ascii()) return size();
  const std::string_view bytes = view();
  SpendTicks(bytes.size());
  return static_cast<size_t>(
      std::count_if(bytes.begin(), bytes.end(), [](char c) { return !IsContinuation(c); }));
}

size_t Text::ByteOffset(size_t index) const {
  if (is_ascii()) return std::min(index, size());
  const std::string_view bytes = view();
  size_t at = 0;
  for (; index > 0 && at < bytes.size(); --index) {
    ++at;
    while (at < bytes.size() && IsContinuation(bytes[at])) ++at;
  }
  SpendTicks(2 * at);
  return at;
}

Text Text::Slice(size_t begin, size_t end) const {
  if (begin == 0 && end == size()) return *this;
  TextBuilder builder;
  builder.Append(*this, begin, end);
  return builder.Take().AsMarkup(markup_);
}

void TextBuilder::Mark(bool trusted) {
  if (bytes_.empty()) {
    first_trusted_ = trusted;
  } else if (trusted != last_trusted_) {
    edges_.push_back(bytes_.size());
  }
  last_trusted_ = trusted;
}

void TextBuilder::Append(const Text& text, size_t begin, size_t end) {
  const std::string_view bytes = text.view();
  text.ForEachRange(begin, end, [&](size_t from, size_t to, bool trusted) {
    Append(bytes.substr(from, to - from), trusted);
  });
}

// Text doubles as it grows, so this is rare.
void TextBuilder::CountMemory() {
  capacity_ = bytes_.capacity();
  held_.Set(capacity_ + edges_.capacity() * sizeof(size_t));
}

Text TextBuilder::Take() {
  if (bytes_.empty()) return {};
  Text::Rep rep;
  rep.ascii = IsAscii(bytes_);
  rep.bytes = std::exchange(bytes_, {});
  rep.first_trusted = first_trusted_;
  rep.edges = std::exchange(edges_, {});
  held_.Set(0);
  return Text::FromRep(std::move(rep));
}

std::string TextBuilder::TakeBytes(std::vector<std::pair<size_t, size_t>>* trusted) {
  bool is_trusted = first_trusted_;
  size_t at = 0;
  edges_.push_back(bytes_.size());
  for (size_t edge : edges_) {
    if (is_trusted && edge > at) trusted->emplace_back(at, edge);
    at = edge;
    is_trusted = !is_trusted;
  }
  edges_.clear();
  held_.Set(0);
  return std::exchange(bytes_, {});
}

Text operator+(const Text& a, const Text& b) {
  if (b.empty()) return a;
  if (a.empty()) return b.AsMarkup(a.is_markup());
  TextBuilder builder;
  builder.Append(a);
  builder.Append(b);
  return builder.Take().AsMarkup(a.is_markup());
}

}  // namespace infe::jinja
