// What another server sends, from its bytes to the answer core's events. Whatever it is, the events
// have the order that answer/event.h promises to every dialect, a whole answer says so before it
// ends, and the cost is that of the bytes.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/check.h"
#include "base/fuzz_cost.h"
#include "upstream/answer_reader.h"
#include "upstream/event_reader.h"
#include "upstream/limits.h"
#include "upstream/wire.h"

namespace {

using namespace infe;  // NOLINT: short names for a checker of one page

constexpr uint32_t kChoices = 2;

// Of one choice: {Text | Reasoning | CallBegin {CallArguments} CallEnd} ChoiceEnd
class Order {
 public:
  void Take(const answer::EventBody& body) {
    INFE_CHECK(!ended_);
    std::visit([this](const auto& one) { On(one); }, body);
  }
  bool ended() const { return ended_; }

 private:
  void On(const answer::Text&) { INFE_CHECK(!open_); }
  void On(const answer::Reasoning&) { INFE_CHECK(!open_); }
  void On(const answer::CallBegin& call) {
    INFE_CHECK(!open_ && call.call == calls_ && !call.name.empty());
    open_ = true;
  }
  void On(const answer::CallArguments& piece) {
    INFE_CHECK(open_ && piece.call == calls_ && !piece.text.empty());
  }
  void On(const answer::CallEnd& call) {
    INFE_CHECK(open_ && call.call == calls_);
    open_ = false;
    calls_ += 1;
  }
  void On(const answer::ChoiceEnd& end) {
    INFE_CHECK(!open_);
    INFE_CHECK(end.reason != answer::StopReason::kCalls || calls_ > 0);
    ended_ = true;
  }
  static void On(const answer::Prompt&) { INFE_CHECK(false); }
  static void On(const answer::Done&) { INFE_CHECK(false); }
  static void On(const answer::Failed&) { INFE_CHECK(false); }

  uint32_t calls_ = 0;
  bool open_ = false, ended_ = false;
};

void TakeAll(const std::vector<answer::Event>& events, std::vector<Order>& choices) {
  for (const answer::Event& event : events) {
    INFE_CHECK(event.choice < kChoices);
    INFE_CHECK(event.scores.empty() || !std::holds_alternative<answer::CallEnd>(event.body));
    choices[event.choice].Take(event.body);
  }
}

void CheckError(const Json& body) {
  for (const int status : {0, 400, 503}) {
    const answer::AnswerError error = upstream::Shortened(upstream::ToError(status, body, -1));
    INFE_CHECK(error.remote.status >= 400 && error.remote.status <= 599);
    INFE_CHECK(!error.error.message.empty());
    INFE_CHECK(error.error.message.size() <= upstream::kErrorMessageBytesMax + 3);
  }
}

// One server's whole stream; false: it ended before the answer was whole.
bool Read(std::string_view input) {
  upstream::ReaderOptions options;
  options.choices = kChoices;
  options.custom_tools = {"shell"};
  options.stops = {"END"};
  options.stop_tokens = {7};
  options.scores = true;
  upstream::AnswerReader reader(options);
  upstream::EventReader events;
  std::vector<Order> choices(kChoices);
  events.Feed(input);
  for (bool last = false; !last;) {
    auto data = events.Next();
    if (!data) {
      last = true;
      data = events.Last();
    }
    if (!data) break;
    const Result<Json> object = ParseJson(*data, {.allow_duplicate_keys = true});
    if (!object) return false;
    CheckError(*object);
    if (upstream::IsError(*object)) return false;
    auto chunk = upstream::ToChunk(*object);
    if (!chunk) return false;
    const auto made = reader.Take(*std::move(chunk));
    if (!made) return false;
    TakeAll(*made, choices);
  }
  if (!reader.IsComplete()) return false;
  TakeAll(reader.Finish(), choices);
  INFE_CHECK(std::all_of(choices.begin(), choices.end(),
                         [](const Order& choice) { return choice.ended(); }));
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  FuzzCost cost("an upstream's stream", input);
  Read(input);
  // 64 kB of chunks are read in single milliseconds.
  cost.Check(100, 64);
  return 0;
}
