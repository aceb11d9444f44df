#include "engine/scheduler.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <tuple>

#include "base/check.h"
#include "model/state.h"

namespace infe::engine {
namespace {

// Past this many, keys without waiting requests are forgotten even if they were ahead.
constexpr size_t kCountersMax = 4096;

double Milliseconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

int Band(Priority priority, TimePoint arrival, TimePoint now) {
  const auto lifts = (now - arrival) / kBandAging;
  return std::max<int>(0,
                       static_cast<int>(priority) - static_cast<int>(std::min<int64_t>(lifts, 3)));
}

// Of a prompt in the batch. Age lifts it to where everybody is, never above: there keys take turns,
// and a long prompt that came first would else keep all others waiting to its end.
int PrefillBand(Priority priority, TimePoint arrival, TimePoint now) {
  const int ordinary = static_cast<int>(Priority::kDefault);
  return std::max(std::min(static_cast<int>(priority), ordinary), Band(priority, arrival, now));
}

// Shortest remaining first, but a millisecond of waiting counts as much as one of work: a request
// arriving later than `remaining` after another can no longer overtake it.
double Score(double remaining_ms, TimePoint arrival, TimePoint now) {
  return remaining_ms - Milliseconds(now - arrival);
}

}  // namespace

void VirtualCounters::Enter(const std::string& key) {
  Counter& counter = counters_[key];
  if (counter.waiting++ > 0) return;
  double least = std::numeric_limits<double>::infinity();
  for (const auto& [other_key, other] : counters_) {
    if (other.waiting > 0 && other_key != key) least = std::min(least, other.service);
  }
  if (least != std::numeric_limits<double>::infinity()) floor_ = std::max(floor_, least);
  counter.service = std::max(counter.service, floor_);
}

void VirtualCounters::Leave(const std::string& key) {
  const auto it = counters_.find(key);
  INFE_CHECK(it != counters_.end() && it->second.waiting > 0);
  if (--it->second.waiting > 0) return;
  const bool alone = std::none_of(counters_.begin(), counters_.end(),
                                  [](const auto& entry) { return entry.second.waiting > 0; });
  if (alone) floor_ = std::max(floor_, it->second.service);
  std::erase_if(counters_, [&](const auto& entry) {
    return entry.second.waiting == 0 &&
           (entry.second.service <= floor_ || counters_.size() > kCountersMax);
  });
}

void VirtualCounters::Charge(const std::string& key, double service) {
  counters_.try_emplace(key, Counter{floor_, 0}).first->second.service += service;
}

double VirtualCounters::Value(const std::string& key) const {
  const auto it = counters_.find(key);
  return it == counters_.end() ? 0 : it->second.service;
}

size_t Scheduler::PickAdmission(std::span<const WaitingView> waiting, TimePoint now) const {
  INFE_CHECK(!waiting.empty());
  size_t best = 0;
  const auto before = [&](const WaitingView& a, const WaitingView& b) {
    const int band_a = Band(a.priority, a.arrival, now);
    const int band_b = Band(b.priority, b.arrival, now);
    if (band_a != band_b) return band_a < band_b;
    if (*a.fairness_key != *b.fairness_key) {
      const double service_a = counters_.Value(*a.fairness_key);
      const double service_b = counters_.Value(*b.fairness_key);
      if (service_a != service_b) return service_a < service_b;
      return *a.fairness_key < *b.fairness_key;
    }
    return Score(a.remaining_ms, a.arrival, now) < Score(b.remaining_ms, b.arrival, now);
  };
  for (size_t i = 1; i < waiting.size(); ++i) {
    if (before(waiting[i], waiting[best])) best = i;
  }
  return best;
}

std::vector<size_t> Scheduler::Order(std::span<const PrefillView> prompts, const StepCost& cost,
                                     TimePoint now) const {
  double least = std::numeric_limits<double>::infinity();
  for (const PrefillView& prompt : prompts) least = std::min(least, prompt.share);
  struct Rank {
    int band = 0;
    bool gives_way = false;  // its key runs much, and it has not waited long
    double score = 0;        // among the key's own
  };
  std::vector<Rank> ranks(prompts.size());
  for (size_t i = 0; i < prompts.size(); ++i) {
    const PrefillView& prompt = prompts[i];
    ranks[i] = {PrefillBand(prompt.priority, prompt.arrival, now),
                RunsMuch(prompt.share, least) && now - prompt.admitted < kMuchShareDelay,
                Score(prompt.remaining * cost.prefill_ms_per_token(), prompt.arrival, now)};
  }
  // One after the other: each has had its tokens when the next one is chosen.
  PrefillTurns turns = prefill_turns_;
  const auto after = [&](size_t i) {
    return turns.After(prompts[i].fairness_key, prompts[i].remaining, prompts[i].weight);
  };
  std::vector<size_t> left(prompts.size());
  std::iota(left.begin(), left.end(), size_t{0});
  std::vector<size_t> order;
  while (!left.empty()) {
    std::map<std::string_view, size_t> firsts;  // of each key
    for (const size_t i : left) {
      const auto [first, is_new] = firsts.try_emplace(prompts[i].fairness_key, i);
      const Rank& best = ranks[first->second];
      if (!is_new && std::tie(ranks[i].band, ranks[i].gives_way, ranks[i].score) <
                         std::tie(best.band, best.gives_way, best.score))
        first->second = i;
    }
    const auto rank = [&](size_t i) {
      return std::tuple(ranks[i].band, ranks[i].gives_way, after(i), prompts[i].share, i);
    };
    const size_t chosen =
        std::min_element(firsts.begin(), firsts.end(), [&](const auto& a, const auto& b) {
          return rank(a.second) < rank(b.second);
        })->second;
    order.push_back(chosen);
    turns.Charge(prompts[chosen].fairness_key, prompts[chosen].remaining / prompts[chosen].weight);
    std::erase(left, chosen);
  }
  return order;
}

size_t Scheduler::PickPrompt(std::span<const PrefillView> prompts, const StepCost& cost,
                             TimePoint now) const {
  INFE_CHECK(!prompts.empty());
  return Order(prompts, cost, now).front();
}

std::vector<size_t> Scheduler::PickResting(std::span<const DecodeView> decodes,
                                           std::span<const PrefillView> prompts,
                                           const StepCost& cost) const {
  const auto add = [](StepShape& shape, uint32_t rows, uint32_t position, uint32_t logits) {
    shape.rows += rows;
    shape.attended += static_cast<double>(rows) * (position + rows / 2.0);
    shape.logits_rows += logits;
  };
  StepShape all;
  double share = 0;
  for (const PrefillView& prompt : prompts) {
    add(all, prompt.remaining, prompt.position, 1);
    share = std::max(share, prompt.share);
  }
  StepShape staying = all;
  std::vector<size_t> resting;
  for (size_t i = 0; i < decodes.size(); ++i) {
    const DecodeView& decode = decodes[i];
    const uint32_t logits = decode.samples ? 1 : 0;
    add(all, decode.rows, decode.position, logits);
    if (!decode.rested && RunsMuch(decode.share, share)) {
      resting.push_back(i);
    } else {
      add(staying, decode.rows, decode.position, logits);
    }
  }
  // A prediction for more rows than have been seen is a guess.
  const auto within = [&](const StepShape& shape, double ms) {
    return shape.rows <= std::min(limits_.rows_max, cost.rows_seen()) && cost.Predict(shape) <= ms;
  };
  if (within(all, limits_.budget_ms) || !within(staying, AtOnceMs())) return {};
  return resting;
}

StepShape Scheduler::With(StepShape step, const PrefillView& prompt, uint32_t rows) {
  step.rows += rows;
  step.attended += static_cast<double>(rows) * (prompt.position + rows / 2.0);
  step.logits_rows += prompt.all_logits ? rows : rows == prompt.remaining ? 1 : 0;
  return step;
}

double Scheduler::DepthMs(const PrefillView& prompt, uint32_t rows, const StepShape& step,
                          const StepCost& cost) {
  const StepShape deep = With(step, prompt, rows);
  StepShape shallow = deep;
  shallow.attended -= static_cast<double>(rows) * prompt.position;
  return cost.Predict(deep) - cost.Predict(shallow);
}

// So far into a long prompt that the fewest rows are dear: fewer, or those who decode would wait.
uint32_t Scheduler::LeastRows(const PrefillView& prompt, const StepShape& step,
                              const StepCost& cost, double budget) {
  uint32_t rows = kChunkRowsMin;
  while (rows > kDeepChunkRowsMin && DepthMs(prompt, rows, step, cost) > kDepthPart * budget)
    rows /= 2;
  return rows;
}

bool Scheduler::Queue(std::span<const PrefillView> prompts, const StepCost& cost) {
  double all_ms = 0;
  bool several = false;
  for (const PrefillView& prompt : prompts) {
    all_ms += prompt.remaining * cost.prefill_ms_per_token();
    several = several || prompt.fairness_key != prompts.front().fairness_key;
  }
  return several && all_ms > kQueueMs;
}

std::vector<Chunk> Scheduler::PlanPrefill(std::span<const PrefillView> prompts,
                                          const StepShape& decode, const StepCost& cost,
                                          TimePoint now) const {
  const std::vector<size_t> order = Order(prompts, cost, now);
  // Those who rest for a prompt want their next token too.
  const bool awaited = decode.rows > 0 || std::any_of(prompts.begin(), prompts.end(),
                                                      [](const auto& p) { return p.at_once; });
  const double whole_budget = awaited ? limits_.budget_ms : limits_.idle_budget_ms;
  const bool queue = awaited && Queue(prompts, cost);
  // Twice what has been seen, at most: the first steps of a new model learn its cost carefully.
  const uint32_t rows_max = std::min(limits_.rows_max, std::max(64u, 2 * cost.rows_seen()));
  std::vector<Chunk> chunks;
  StepShape step = decode;
  for (const size_t i : order) {
    const PrefillView& prompt = prompts[i];
    if (step.rows >= rows_max || step.logits_rows >= limits_.logits_rows_max) break;
    const auto with = [&](uint32_t rows) { return With(step, prompt, rows); };
    const uint32_t whole = std::min(prompt.remaining, prompt.rows_max);  // of one step
    if (prompt.indivisible) {
      if (step.rows + prompt.remaining > limits_.rows_max) continue;  // the next step
      if (!chunks.empty() && cost.Predict(with(prompt.remaining)) > whole_budget) break;
      step = with(prompt.remaining);
      chunks.push_back({i, prompt.remaining, static_cast<double>(prompt.remaining)});
      continue;
    }
    uint32_t low = 0;
    uint32_t high = std::min(whole, rows_max - step.rows);
    if (prompt.all_logits) high = std::min(high, limits_.logits_rows_max - step.logits_rows);
    const bool small = queue || (awaited && prompt.crowds);
    const double budget = small ? kCrowdingPart * whole_budget : whole_budget;
    const bool may_be_whole = high == whole;
    // What is done in this step makes nobody of its queue wait for another.
    const double whole_within = prompt.at_once ? AtOnceMs() : queue ? whole_budget : 0;
    if (may_be_whole && cost.Predict(with(high)) <= whole_within) low = high;
    while (low < high) {  // the most rows that keep within the budget
      const uint32_t middle = low + (high - low + 1) / 2;
      if (cost.Predict(with(middle)) <= budget) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    uint32_t rows = low;
    uint32_t rows_min = awaited ? LeastRows(prompt, step, cost, budget) : kChunkRowsMin;
    rows_min = std::min(rows_min, whole);
    if (prompt.all_logits) {
      rows_min = std::min(rows_min, limits_.logits_rows_max - step.logits_rows);
    }
    if (rows < rows_min) {
      if (!chunks.empty() || step.rows + rows_min > limits_.rows_max) break;
      rows = rows_min;
    }
    if (may_be_whole && whole - rows <= kTailRowsMax &&
        cost.Predict(with(whole)) <= kAtOnceStretch * whole_budget)
      rows = whole;
    if (rows < whole) {  // end on a block's border where that keeps most of the chunk
      const uint32_t over = (prompt.position + rows) % model::kBlockPositions;
      if (over <= rows / 8 || (prompt.whole_blocks && over < rows)) rows -= over;
    }
    const double token_ms = cost.prefill_ms_per_token();
    const double turn = rows + (token_ms > 0 ? DepthMs(prompt, rows, step, cost) / token_ms : 0);
    step = with(rows);
    chunks.push_back({i, rows, turn});
  }
  return chunks;
}

bool Scheduler::Outranks(const RunningView& a, const RunningView& b) {
  if (a.paused != b.paused) return b.paused;
  if (a.priority != b.priority) return a.priority < b.priority;
  if (a.arrival != b.arrival) return a.arrival < b.arrival;
  return a.order < b.order;
}

size_t Scheduler::PickVictim(std::span<const RunningView> running) const {
  INFE_CHECK(!running.empty());
  size_t victim = 0;
  for (size_t i = 1; i < running.size(); ++i) {
    if (Outranks(running[victim], running[i])) victim = i;
  }
  return victim;
}

}  // namespace infe::engine
