// The Matcher over a Machine. A position is a chain of places, one per token, shared by forks and
// never changed; accepting adds a place, going back takes an older one.
#include "grammar/matcher.h"

#include <algorithm>
#include <bit>

#include <fmt/format.h>

#include "base/check.h"
#include "grammar/limits.h"
#include "grammar/machine.h"

namespace infe::grammar {
namespace {

struct Place {
  std::shared_ptr<const Place> before;  // shared by the forks that came this way
  uint32_t token = kNoToken;
  Threads threads;
  uint32_t bytes = 0;       // read so far, as the machine sees them
  uint32_t text_bytes = 0;  // of these, bytes of text (special tokens have none)
  size_t count = 0;         // tokens so far
  bool ended = false;       // an end token was taken

  // A chain is as long as the text: it is taken apart in a loop, not by recursion.
  ~Place() {
    std::shared_ptr<const Place> next = std::move(before);
    while (next != nullptr && next.use_count() == 1)
      next = std::move(const_cast<Place&>(*next).before);
  }
};
using PlacePtr = std::shared_ptr<const Place>;

// A machine and the grammar and trie it runs on; goes back to the grammar at the end.
struct Running {
  std::shared_ptr<const Grammar> grammar;
  std::shared_ptr<const TokenTrie> trie;
  std::unique_ptr<Machine> machine;
  size_t counted = 0;  // bytes of the machine that the grammar knows of

  // Tells the grammar what the machine holds by now.
  void Count() {
    const size_t bytes = machine->bytes();
    grammar->CountRunning(counted, bytes);
    counted = bytes;
  }
  ~Running() {
    grammar->CountRunning(counted, 0);
    grammar->GiveBack(std::move(machine));
  }
};

constexpr Fuel::Limits kCallLimits = {.steps = kMatcherStepsMax,
                                      .bytes = kMatcherCallBytesMax,
                                      .cpu = std::chrono::milliseconds(kMatcherCpuMs)};

// One call: the machine for itself, and fuel for its work.
class Call {
 public:
  // fuel: the caller's, or null. begin: done first.
  template <typename Begin>
  Call(Running* running, Fuel* fuel, const Begin& begin)
      : running_(*running), lock_(running->machine->mutex()), own_(kCallLimits) {
    machine().SetFuel(fuel != nullptr ? fuel : &own_);
    begin(machine());
  }
  ~Call() {
    machine().SetFuel(nullptr);
    running_.Count();
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

 private:
  Machine& machine() const { return *running_.machine; }

  Running& running_;
  const std::lock_guard<std::mutex> lock_;
  Fuel own_;
};

class MachineMatcher final : public Matcher {
 public:
  // running is shared by all forks.
  MachineMatcher(std::shared_ptr<Running> running, PlacePtr place)
      : running_(std::move(running)), place_(std::move(place)) {}

  void SetFuel(Fuel* fuel) override { fuel_ = fuel; }

  Result<TokenMaskView> Mask() override {
    const Call call = Enter();
    if (place_->ended) return Empty();
    if (auto failure = machine().Failure()) return *failure;
    INFE_ASSIGN(mask_, machine().Mask(place_->threads, Text()));
    return View(*mask_);
  }

  bool Allows(uint32_t token) override {
    const Call call = Enter();
    PlacePtr next;
    return !machine().Failure() && Try(token, &next, nullptr);
  }

  Result<void> Accept(uint32_t token) override {
    const Call call = Enter();
    if (auto failure = machine().Failure()) return *failure;
    PlacePtr next;
    if (!Try(token, &next, &events_)) {
      if (auto failure = machine().Failure()) return *failure;
      if (auto refusal = machine().Refusal("the grammar's step over a token")) return *refusal;
      return InvalidArgument(fmt::format("token {} does not fit the grammar after {} bytes", token,
                                         place_->text_bytes));
    }
    place_ = std::move(next);
    return {};
  }

  size_t AcceptPrefix(std::span<const uint32_t> draft) override {
    const Call call = Enter();
    size_t taken = 0;
    for (PlacePtr next; taken < draft.size() && Try(draft[taken], &next, &events_); ++taken)
      place_ = std::move(next);
    return taken;
  }

  void Rollback(size_t tokens) override {
    INFE_CHECK(tokens <= place_->count);
    for (size_t i = 0; i < tokens; ++i) place_ = place_->before;
    text_.resize(std::min<size_t>(text_.size(), place_->bytes));
    std::erase_if(events_, [&](const GrammarEvent& e) { return e.offset > place_->text_bytes; });
  }

  std::unique_ptr<Matcher> Fork() const override {
    return std::make_unique<MachineMatcher>(running_, place_);
  }

  bool IsComplete() const override {
    const Call call = Enter();
    return place_->ended || machine().IsComplete(place_->threads);
  }

  bool IsWhole() const override {
    const std::lock_guard lock(machine().mutex());
    return place_->ended || machine().IsWhole(place_->threads);
  }

  std::string ForcedBytes() override {
    const Call call = Enter();
    std::string forced;
    if (place_->ended) return forced;
    std::string text(Text());
    Threads threads = place_->threads;
    while (forced.size() < kForcedBytesMax) {
      const auto byte = machine().ForcedByte(threads, text);
      // FF begins a special token, which is no text.
      if (!byte || *byte == 0xFF) break;
      text += static_cast<char>(*byte);
      if (!machine().Step(&threads, *byte, text, nullptr)) break;
      forced += static_cast<char>(*byte);
    }
    return forced;
  }

  std::optional<size_t> FinishBound() const override {
    const Call call = Enter();
    if (place_->ended) return 0;
    return machine().FinishBound(place_->threads);
  }

  std::optional<size_t> FinishTokens() override {
    const Call call = Enter();
    if (place_->ended) return 0;
    return machine().FinishTokens(place_->threads, Text());
  }

  std::optional<std::string> FinishText() override {
    const Call call = Enter();
    if (place_->ended) return "";
    return machine().FinishText(place_->threads, Text());
  }

  Result<TokenMaskView> MaskToFinish() override {
    std::optional<std::string> text;
    {
      const Call call = Enter();
      text = place_->ended ? std::string() : machine().FinishText(place_->threads, Text());
      if (auto refusal = machine().Refusal("the grammar's way to an end")) return *refusal;
    }
    if (!text) return Mask();
    const TokenTrie& trie = *running_->trie;
    auto mask = std::make_shared<std::vector<uint64_t>>(trie.mask_words());
    const auto allow = [&](uint32_t first) {
      for (uint32_t t = first; t != kNoToken; t = trie.NextSame(t))
        (*mask)[t / 64] |= uint64_t{1} << (t % 64);
    };
    if (text->empty()) {
      for (const uint32_t t : trie.end_tokens()) (*mask)[t / 64] |= uint64_t{1} << (t % 64);
    } else {
      // Down the trie along the text: every token on the way takes it further.
      uint32_t at = 0;
      for (const char c : *text) {
        at = trie.Child(at, static_cast<uint8_t>(c));
        if (at == 0) break;
        if (trie.nodes()[at].token != kNoToken) allow(trie.nodes()[at].token);
      }
    }
    if (std::ranges::all_of(*mask, [](uint64_t word) { return word == 0; })) return Mask();
    mask_ = std::move(mask);
    return View(*mask_);
  }

  bool PassesAnEnd(uint32_t token) override {
    const TokenTrie& trie = *running_->trie;
    if (place_->ended || token >= trie.vocab_size()) return false;
    const std::string_view bytes = trie.Bytes(token);
    if (bytes.empty()) return false;
    const Call call = Enter();
    if (BeginsMember(bytes)) return true;
    // A string that still has to grow comes nearer to its end by a word.
    if (!BeginsWord(bytes[0]) || !machine().InString(place_->threads)) return false;
    const auto bound = machine().FinishBound(place_->threads);
    Threads threads = place_->threads;
    return StepAll(bytes, &threads) && machine().InString(threads) &&
           machine().FinishBound(threads) >= bound;
  }

  bool BeginsOptional(uint32_t token) override {
    const TokenTrie& trie = *running_->trie;
    if (place_->ended || token >= trie.vocab_size()) return false;
    const std::string_view bytes = trie.Bytes(token);
    if (bytes.empty()) return false;
    const Call call = Enter();
    if (!machine().IsComplete(place_->threads)) return BeginsMember(bytes);
    Threads threads = place_->threads;
    return StepAll(bytes, &threads) && !machine().IsComplete(threads);
  }

  bool PicksListed(uint32_t token) override {
    const TokenTrie& trie = *running_->trie;
    if (place_->ended || token >= trie.vocab_size()) return false;
    const std::string_view bytes = trie.Bytes(token);
    const Call call = Enter();
    const auto way = machine().FinishText(place_->threads, Text());
    if (!way) return false;
    const auto parts = static_cast<size_t>(std::ranges::mismatch(bytes, *way).in1 - bytes.begin());
    if (parts == bytes.size() || parts == way->size()) return false;
    Threads before = place_->threads;
    if (!StepAll(bytes.substr(0, parts), &before)) return false;
    if (machine().InListed(before)) return true;
    // Both begin one of the list.
    const auto begins = [&](char c) {
      Threads after = before;
      std::string text(Text());
      text += bytes.substr(0, parts);
      text += c;
      return machine().Step(&after, static_cast<uint8_t>(c), text, nullptr) &&
             machine().InListed(after);
    };
    return begins(bytes[parts]) && begins((*way)[parts]);
  }

  StringPlace InStringValue() override {
    const std::lock_guard lock(machine().mutex());
    if (place_->ended || !machine().InString(place_->threads) || machine().InKey(place_->threads))
      return StringPlace::kOutside;
    const std::string_view text = Text();
    if (!text.ends_with('"')) return StringPlace::kInside;
    const size_t other = text.find_last_not_of('\\', text.size() - 2);
    const size_t escapes = text.size() - 2 - (other == std::string_view::npos ? -1 : other);
    return escapes % 2 == 0 ? StringPlace::kStart : StringPlace::kInside;
  }

  bool InLongKey() override {
    const Call call = Enter();
    if (place_->ended || !machine().InKey(place_->threads)) return false;
    const std::string_view text = Text();
    if (text.size() < kLongKeyBytes) return false;
    // The key so far is what follows the last quote that no backslash escapes.
    size_t quote = text.rfind('"');
    while (quote != std::string_view::npos && quote > 0 && text[quote - 1] == '\\')
      quote = text.rfind('"', quote - 1);
    if (quote == std::string_view::npos || text.size() - quote <= kLongKeyBytes) return false;
    std::string closed(text);
    closed += '"';
    Threads threads = place_->threads;
    return machine().Step(&threads, '"', closed, nullptr);
  }

  std::span<const GrammarEvent> TakeEvents() override {
    taken_ = std::move(events_);
    events_.clear();
    return taken_;
  }

 private:
  Machine& machine() const { return *running_->machine; }

  // Begins a call. The first row is made in it, if there was no fuel for that before.
  Call Enter() const {
    return Call(running_.get(), fuel_, [this](Machine& machine) {
      if (!place_->threads.empty() || place_->count > 0) return;
      auto place = std::make_shared<Place>();
      place->threads = machine.Root();
      place_ = std::move(place);
    });
  }

  // Letters and what belongs to the sentence before do not.
  static bool BeginsWord(char c) {
    return std::string_view(" -_/,;:(#&+|*=").find(c) != std::string_view::npos;
  }

  bool StepAll(std::string_view bytes, Threads* threads) {
    std::string text(Text());
    for (const char c : bytes) {
      text += c;
      if (!machine().Step(threads, static_cast<uint8_t>(c), text, nullptr)) return false;
    }
    return true;
  }

  // Whether bytes write a comma, or the beginning of a first item or member, where the bracket that
  // closes them could stand.
  bool BeginsMember(std::string_view bytes) {
    std::string text(Text());
    Threads threads = place_->threads;
    for (const char c : bytes) {
      const size_t last = text.find_last_not_of(" \n\t");
      const bool first = last != std::string::npos && (text[last] == '[' || text[last] == '{') &&
                         c != ' ' && c != '\n' && c != '\t' && !machine().InString(threads);
      text += c;
      if (c != ',' && !first) {
        if (!machine().Step(&threads, static_cast<uint8_t>(c), text, nullptr)) return false;
        continue;
      }
      const Threads before = threads;
      if (!machine().Step(&threads, static_cast<uint8_t>(c), text, nullptr)) return false;
      if (PassesBracket(threads, before, text)) return true;
    }
    return false;
  }

  // Whether a closing bracket in place of the last byte of text brings the end nearer than before,
  // and that byte does not. Inside a string neither does.
  bool PassesBracket(const Threads& after, const Threads& before, std::string text) {
    const auto bound = machine().FinishBound(before);
    const auto by_byte = machine().FinishBound(after);
    if (!bound || (by_byte && *by_byte < *bound)) return false;
    for (const char bracket : {']', '}'}) {
      text.back() = bracket;
      Threads closed = before;
      if (!machine().Step(&closed, static_cast<uint8_t>(bracket), text, nullptr)) continue;
      const auto by_bracket = machine().FinishBound(closed);
      if (by_bracket && *by_bracket < *bound) return true;
    }
    return false;
  }

  TokenMaskView View(const std::vector<uint64_t>& words) const {
    return {words, running_->trie->vocab_size()};
  }
  TokenMaskView Empty() {
    mask_ = std::make_shared<std::vector<uint64_t>>(running_->trie->mask_words());
    return View(*mask_);
  }

  // Everything read so far, put together when first asked for.
  std::string_view Text() {
    if (text_.size() == place_->bytes) return text_;
    std::vector<uint32_t> tokens;
    for (const Place* p = place_.get(); p != nullptr && p->token != kNoToken; p = p->before.get())
      tokens.push_back(p->token);
    text_.clear();
    for (size_t i = tokens.size(); i-- > 0;) text_ += running_->trie->Bytes(tokens[i]);
    return text_;
  }

  bool Try(uint32_t token, PlacePtr* next, std::vector<GrammarEvent>* events) {
    const TokenTrie& trie = *running_->trie;
    if (place_->ended || token >= trie.vocab_size()) return false;
    auto place = std::make_shared<Place>();
    place->before = place_;
    place->token = token;
    place->bytes = place_->bytes;
    place->text_bytes = place_->text_bytes;
    place->count = place_->count + 1;
    if (trie.IsEnd(token) && machine().IsComplete(place_->threads)) {
      place->ended = true;
      place->token = kEndPlace;
      *next = std::move(place);
      return true;
    }
    const std::string_view bytes = trie.Bytes(token);
    if (bytes.empty()) return false;
    Text();
    const size_t before = text_.size();
    Threads threads = place_->threads;
    std::vector<GrammarEvent> crossed;
    std::vector<uint32_t> tags;
    const bool special = trie.IsSpecial(token);
    for (size_t i = 0; i < bytes.size(); ++i) {
      text_ += bytes[i];
      tags.clear();
      if (!machine().Step(&threads, static_cast<uint8_t>(bytes[i]), text_, &tags)) {
        text_.resize(before);
        return false;
      }
      if (tags.empty()) continue;
      std::sort(tags.begin(), tags.end());
      tags.erase(std::unique(tags.begin(), tags.end()), tags.end());
      for (const uint32_t tag : tags)
        crossed.push_back({tag, place_->text_bytes + (special ? 0 : i + 1)});
    }
    if (events == nullptr) {
      text_.resize(before);
    } else {
      events->insert(events->end(), crossed.begin(), crossed.end());
    }
    place->threads = std::move(threads);
    place->bytes += static_cast<uint32_t>(bytes.size());
    if (!special) place->text_bytes += static_cast<uint32_t>(bytes.size());
    *next = std::move(place);
    return true;
  }

  static constexpr uint32_t kEndPlace = kNoToken - 1;

  std::shared_ptr<Running> running_;
  Fuel* fuel_ = nullptr;    // the caller's
  mutable PlacePtr place_;  // see Enter
  std::string text_;        // a cache of Text()
  std::vector<GrammarEvent> events_;
  std::vector<GrammarEvent> taken_;
  Machine::MaskWords mask_;  // what the last view shows
};

}  // namespace

size_t TokenMaskView::Count() const {
  size_t count = 0;
  for (const uint64_t word : words) count += static_cast<size_t>(std::popcount(word));
  return count;
}

std::unique_ptr<Matcher> NewMatcher(std::shared_ptr<const Grammar> grammar,
                                    std::shared_ptr<const TokenTrie> trie) {
  auto machine = grammar->TakeMachine(trie.get());
  if (machine == nullptr) machine = std::make_unique<Machine>(&grammar->program(), trie);
  auto place = std::make_shared<Place>();
  auto running = std::make_shared<Running>();
  running->grammar = std::move(grammar);
  running->trie = std::move(trie);
  running->machine = std::move(machine);
  running->Count();
  auto matcher = std::make_unique<MachineMatcher>(std::move(running), std::move(place));
  (void)matcher->IsComplete();  // makes the first row here rather than where tokens are awaited
  return matcher;
}

}  // namespace infe::grammar
