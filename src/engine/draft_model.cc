#include "engine/draft_model.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"

namespace infe::engine {
namespace {

// A text grows by this much at most while it is guessed at.
constexpr uint32_t kRoom = 32;
constexpr uint32_t kDraftContextMin = 2 * kDraftTail;
// What texts are remembered in is worth more than guesses at them: no more of it than this part.
constexpr size_t kDraftMemoryShare = 4;

}  // namespace

Result<std::unique_ptr<DraftModel>> DraftModel::Create(model::StepModel& model, Clock clock) {
  if (!model.Gives(model::Output::kLogits))
    return InvalidArgument("a draft model has to be one that gives answers");
  for (const model::StateGroup& group : model.kv_groups()) {
    if (group.kind == model::StateKind::kRunning)
      return InvalidArgument(
          "a draft model has to take back what it guessed wrongly; this one has layers with a "
          "running state, which cannot");
  }
  const uint32_t context = model.config().context_length;
  if (context > 0 && context < kDraftContextMin)
    return InvalidArgument("a draft model needs a context of 256 tokens at least");
  return std::unique_ptr<DraftModel>(new DraftModel(model, std::move(clock)));
}

size_t DraftModel::StateBytes(std::span<const model::StateGroup> groups) {
  size_t bytes = 0;
  for (const model::StateGroup& group : groups) bytes += group.block_bytes;
  return bytes * kDraftPlaces * (kDraftPositions / model::kBlockPositions);
}

DraftModel::DraftModel(model::StepModel& model, Clock clock)
    : model_(model),
      clock_(std::move(clock)),
      positions_(model.config().context_length == 0
                     ? kDraftPositions
                     : std::min(kDraftPositions, model.config().context_length)),
      kv_(model.kv_groups(), kDraftPlaces, kDraftPositions),
      places_(kDraftPlaces) {}

DraftModel::Place* DraftModel::Find(uint64_t owner) {
  const auto found = std::ranges::find_if(
      places_, [owner](const Place& place) { return place.used > 0 && place.owner == owner; });
  return found == places_.end() ? nullptr : &*found;
}

const DraftModel::Place* DraftModel::Find(uint64_t owner) const {
  return const_cast<DraftModel*>(this)->Find(owner);
}

uint32_t DraftModel::Kept(const Place& place, std::span<const TokenId> text) const {
  if (text.size() <= place.begin || text.size() - place.begin + kRoom > positions_) return 0;
  const auto from = text.subspan(place.begin);
  const auto [ours, theirs] = std::ranges::mismatch(place.tokens, from);
  const auto agreed = static_cast<uint32_t>(ours - place.tokens.begin());
  return std::min(agreed, static_cast<uint32_t>(from.size()) - 1);
}

uint32_t DraftModel::RowsBehind(const Text& text) const {
  const auto size = static_cast<uint32_t>(text.tokens.size());
  const uint32_t anew = std::min(size, kDraftTail);
  const Place* place = Find(text.owner);
  const uint32_t kept = place == nullptr ? 0 : Kept(*place, text.tokens);
  return kept == 0 ? anew : std::min(anew, size - place->begin - kept);
}

DraftModel::Place& DraftModel::Take(const Text& text) {
  Place* place = Find(text.owner);
  if (place == nullptr) {
    place = &*std::ranges::min_element(places_, {}, &Place::used);
    INFE_CHECK(place->used < step_);
  }
  const bool is_ours = place->used > 0 && place->owner == text.owner;
  const uint32_t kept = is_ours ? Kept(*place, text.tokens) : 0;
  const auto size = static_cast<uint32_t>(text.tokens.size());
  const uint32_t anew = std::min(size, kDraftTail);
  place->owner = text.owner;
  place->used = step_;
  place->tokens.resize(kept);
  // Too far behind, it begins anew.
  if (kept == 0 || size - place->begin - kept > anew) {
    place->begin = size - anew;
    place->tokens.clear();
  }
  return *place;
}

double DraftModel::Read(std::span<const Item> items) {
  INFE_CHECK(!items.empty() && items.size() <= kDraftPlaces);
  ++step_;
  std::vector<model::BatchItem> batch;
  StepShape shape;
  // Nobody of this step gives up a place to another one.
  for (const Item& item : items)
    if (auto* place = Find(item.text.owner)) place->used = step_;
  for (const Item& item : items) {
    Place& place = Take(item.text);
    const auto position = static_cast<uint32_t>(place.tokens.size());
    const auto rest = item.text.tokens.subspan(place.begin + position);
    INFE_CHECK(item.rows > 0 && item.rows <= rest.size());
    model::BatchItem part;
    part.position = position;
    part.tokens = rest.first(item.rows);
    part.logits_rows = item.rows == rest.size() ? 1 : 0;
    if (part.logits_rows > 0) part.inverse_temperature = item.inverse_temperature;
    kv_.Fill(part, static_cast<uint32_t>(&place - places_.data()));
    place.tokens.insert(place.tokens.end(), part.tokens.begin(), part.tokens.end());
    shape.rows += item.rows;
    shape.attended += item.rows * (position + item.rows / 2.0);
    shape.logits_rows += part.logits_rows;
    batch.push_back(part);
  }
  const TimePoint begin = clock_();
  model_.Forward({.items = batch}, kv_.view());
  const double ms = std::chrono::duration<double, std::milli>(clock_() - begin).count();
  cost_.Observe(shape, ms);
  return ms;
}

std::span<const model::LogitSummary> DraftModel::Summaries(size_t i, size_t spans) const {
  if (model_.summaries() == nullptr) return {};
  return {model_.summaries() + i * model::LogitSpans(vocabulary()), spans};
}

double DraftModel::Predict(uint32_t texts, uint32_t rows) const {
  return cost_.Predict({.rows = rows, .attended = rows * (kDraftTail * 1.0), .logits_rows = texts});
}

std::string WhyNoDraftState(std::span<const model::StateGroup> model,
                            std::span<const model::StateGroup> draft,
                            const StatePlanOptions& options) {
  const size_t bytes = DraftModel::StateBytes(draft);
  if (bytes > options.memory_bytes / kDraftMemoryShare)
    return fmt::format("its state of {} bytes is more than 1/{} of the KV memory", bytes,
                       kDraftMemoryShare);
  const uint32_t context = options.context_max > 0
                               ? options.context_max
                               : std::min(kContextUsable, options.model_context);
  if (BytesOfSequence(model, context, options.batch_rows) > options.memory_bytes - bytes)
    return fmt::format(
        "its state of {} bytes leaves less of the KV memory than a sequence of {} "
        "tokens needs",
        bytes, context);
  return {};
}

}  // namespace infe::engine
