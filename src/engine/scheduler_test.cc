// The policy: shortest first without starvation, fairness within its bound, budgets, victims.
#include "engine/scheduler.h"

#include <deque>
#include <map>
#include <tuple>

#include <gtest/gtest.h>

#include "base/random.h"

namespace infe::engine {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const TimePoint kStart = TimePoint(std::chrono::hours(10));
const std::string kKey = "k";

WaitingView View(double remaining_ms, int age_ms, Priority priority = Priority::kDefault,
                 const std::string* key = &kKey) {
  return {.priority = priority,
          .fairness_key = key,
          .remaining_ms = remaining_ms,
          .arrival = kStart - milliseconds(age_ms)};
}

TEST(SchedulerAdmission, ShortestPromptFirstButAgeCountsAsMuch) {
  const Scheduler scheduler({});
  EXPECT_EQ(scheduler.PickAdmission(std::vector{View(500, 0), View(100, 0), View(300, 0)}, kStart),
            1u);
  EXPECT_EQ(scheduler.PickAdmission(std::vector{View(500, 401), View(100, 0)}, kStart), 0u);
  EXPECT_EQ(scheduler.PickAdmission(std::vector{View(500, 399), View(100, 0)}, kStart), 1u);
}

TEST(SchedulerAdmission, BandsComeFirstUntilAgeLiftsARequest) {
  const Scheduler scheduler({});
  EXPECT_EQ(scheduler.PickAdmission(std::vector{View(1, 0, Priority::kFlex), View(1, 0),
                                                View(900, 0, Priority::kPriority)},
                                    kStart),
            2u);
  // A minute lifts flex to the top band, where its age wins.
  EXPECT_EQ(
      scheduler.PickAdmission(
          std::vector{View(1, 60001, Priority::kFlex), View(1, 0, Priority::kPriority)}, kStart),
      0u);
}

TEST(SchedulerAdmission, KeyWithLeastServiceComesFirst) {
  Scheduler scheduler({});
  const std::string a = "a", b = "b";
  scheduler.counters().Enter(a);
  scheduler.counters().Enter(b);
  scheduler.counters().Charge(a, 10);
  EXPECT_EQ(scheduler.PickAdmission(std::vector{View(1, 900, Priority::kDefault, &a),
                                                View(900, 0, Priority::kDefault, &b)},
                                    kStart),
            1u);
}

TEST(VirtualCounters, IdlingSavesNothingUpAndHavingWorkedAloneCostsNothing) {
  VirtualCounters counters;
  counters.Enter("a");
  counters.Charge("a", 1000);
  counters.Enter("b");  // lifted to a
  EXPECT_EQ(counters.Value("b"), 1000);
  counters.Charge("b", 50);
  counters.Leave("b");
  counters.Charge("a", 10);
  counters.Enter("b");  // ahead of a: stays there
  EXPECT_EQ(counters.Value("b"), 1050);
  counters.Leave("a");
  counters.Leave("b");
  counters.Enter("c");  // nobody was active: starts where the last one left
  EXPECT_EQ(counters.Value("c"), 1050);
  counters.Enter("a");
  EXPECT_EQ(counters.Value("a"), 1050);
}

// Simulates continuous batching: any number of clients with random work. While two clients both
// have requests waiting, what they receive differs by at most 2 * (w_in * L + w_out * M): L is the
// longest prompt, M the output that a full batch can still make ("Fairness in Serving Large
// Language Models", section 4; their M counts prompts too).
TEST(VirtualCounters, BackloggedClientsReceiveTheSameWithinTheBound) {
  for (uint64_t trial = 0; trial < 60; ++trial) {
    const auto random = [&](uint32_t what, uint64_t i) { return UniformAt(trial, what, i); };
    Scheduler scheduler({});
    const uint32_t clients = 2 + static_cast<uint32_t>(random(0, 0) * 4);
    const uint32_t slots = 1 + static_cast<uint32_t>(random(0, 1) * 16);
    const uint32_t prompt_max = 1 + static_cast<uint32_t>(random(0, 2) * 2000);
    const uint32_t output_max = 1 + static_cast<uint32_t>(random(0, 3) * 500);
    struct Job {
      uint32_t client, prompt, output;
      TimePoint arrival;
    };
    struct Client {
      std::string key;
      double weight, received = 0;
      uint32_t waiting = 0;
    };
    std::vector<Client> all(clients);
    for (uint32_t c = 0; c < clients; ++c) {
      all[c].key = std::to_string(c);
      all[c].weight = trial % 2 == 0 ? 1 : 1 + c;
    }
    std::vector<Job> waiting, running;
    // Since when each pair has been backlogged, with what both had received.
    std::vector<std::vector<std::pair<double, double>>> since(
        clients, std::vector<std::pair<double, double>>(clients, {-1, -1}));
    const double bound =
        2 * (kServicePerPromptToken * prompt_max + kServicePerOutputToken * slots * output_max);
    uint64_t draw = 0;
    double worst = 0;
    for (int step = 0; step < 1500; ++step) {
      const TimePoint now = kStart + milliseconds(10 * step);
      for (uint32_t c = 0; c < clients; ++c) {
        // Clients differ in greed; some go quiet for a while.
        const uint32_t keep = (step / 300 + c) % 4 == 0 && c > 1 ? 0 : 1 + 5 * (c % 3);
        while (all[c].waiting < keep) {
          ++draw;
          waiting.push_back({c, 1 + static_cast<uint32_t>(random(1, draw) * prompt_max),
                             1 + static_cast<uint32_t>(random(2, draw) * output_max), now});
          ++all[c].waiting;
          scheduler.counters().Enter(all[c].key);
        }
      }
      while (running.size() < slots && !waiting.empty()) {
        std::vector<WaitingView> views;
        for (const Job& job : waiting) {
          views.push_back({.priority = Priority::kDefault,
                           .fairness_key = &all[job.client].key,
                           .remaining_ms = static_cast<double>(job.prompt),
                           .arrival = now});  // of one band: age would lift all alike
        }
        const size_t pick = scheduler.PickAdmission(views, now);
        const Job job = waiting[pick];
        waiting.erase(waiting.begin() + static_cast<ptrdiff_t>(pick));
        --all[job.client].waiting;
        scheduler.counters().Leave(all[job.client].key);
        const double service = kServicePerPromptToken * job.prompt / all[job.client].weight;
        scheduler.counters().Charge(all[job.client].key, service);
        all[job.client].received += service;
        running.push_back(job);
      }
      for (Job& job : running) {
        const double service = kServicePerOutputToken / all[job.client].weight;
        scheduler.counters().Charge(all[job.client].key, service);
        all[job.client].received += service;
        --job.output;
      }
      std::erase_if(running, [](const Job& job) { return job.output == 0; });
      for (uint32_t a = 0; a < clients; ++a) {
        for (uint32_t b = 0; b < a; ++b) {
          auto& from = since[a][b];
          if (all[a].waiting == 0 || all[b].waiting == 0) {
            from = {-1, -1};
          } else if (from.first < 0) {
            from = {all[a].received, all[b].received};
          } else {
            const double difference =
                std::abs((all[a].received - from.first) - (all[b].received - from.second));
            worst = std::max(worst, difference);
            ASSERT_LE(difference, bound) << "trial " << trial << " step " << step;
          }
        }
      }
    }
    EXPECT_GT(worst, 0);
  }
}

StepCost Learnt(double step_ms, double row_ms, double attended_ms_per_1000) {
  StepCost cost;
  for (int round = 0; round < 20; ++round) {
    for (const uint32_t rows : {1u, 2u, 4u, 8u, 16u, 32u, 64u, 128u, 256u, 512u}) {
      for (const double context : {50.0, 1000.0, 4000.0}) {
        cost.Observe({.rows = rows, .attended = rows * context, .logits_rows = 1},
                     step_ms + row_ms * rows + attended_ms_per_1000 * rows * context / 1000);
      }
    }
  }
  return cost;
}

TEST(StepCost, LearnsALineFromMixedSteps) {
  const StepCost cost = Learnt(3, 0.5, 0.2);
  for (const uint32_t rows : {1u, 3u, 10u, 50u, 200u, 400u}) {
    for (const double context : {100.0, 2000.0}) {
      const double expected = 3 + 0.5 * rows + 0.2 * rows * context / 1000;
      EXPECT_NEAR(cost.Predict({.rows = rows, .attended = rows * context, .logits_rows = 1}),
                  expected, 0.1 * expected + 0.2);
    }
  }
}

TEST(StepCost, FollowsAChangeAndForgivesAnOutlier) {
  StepCost cost = Learnt(3, 0.5, 0.2);
  const StepShape shape{.rows = 4, .attended = 400, .logits_rows = 4};
  const double before = cost.Predict(shape);
  cost.Observe(shape, 5000);  // the machine was taken away
  EXPECT_LT(cost.Predict(shape), 2 * before);
  for (int i = 0; i < 200; ++i) cost.Observe(shape, 20);  // a machine become slower
  EXPECT_NEAR(cost.Predict(shape), 20, 6);
}

TEST(StepCost, CapturesThatFewRowsAreNearlyFree) {
  StepCost cost;
  const auto real = [](uint32_t rows) { return rows <= 4 ? 4.0 : 4.0 + 0.8 * (rows - 4); };
  for (int round = 0; round < 50; ++round) {
    for (const uint32_t rows : {1u, 2u, 3u, 4u, 6u, 8u, 16u, 64u, 256u}) {
      cost.Observe({.rows = rows, .attended = rows * 100.0, .logits_rows = rows}, real(rows));
    }
  }
  for (const uint32_t rows : {1u, 2u, 4u, 8u, 16u, 64u, 256u}) {
    EXPECT_NEAR(cost.Predict({.rows = rows, .attended = rows * 100.0, .logits_rows = rows}),
                real(rows), 0.15 * real(rows));
  }
}

TEST(SchedulerPrefill, ChunkFillsTheBudgetBesideDecode) {
  const Scheduler scheduler({.budget_ms = 50});
  const StepCost cost = Learnt(3, 0.5, 0);
  const StepShape decode{.rows = 4, .attended = 400, .logits_rows = 4};
  const auto chunks = scheduler.PlanPrefill(
      std::vector{PrefillView{.remaining = 2000, .arrival = kStart}}, decode, cost, kStart);
  ASSERT_EQ(chunks.size(), 1u);
  EXPECT_GE(chunks[0].rows, 70u);
  EXPECT_LE(chunks[0].rows, 95u);
  // Alone: as many rows as a step may have.
  const auto alone = scheduler.PlanPrefill(
      std::vector{PrefillView{.remaining = 2000, .arrival = kStart}}, {}, cost, kStart);
  EXPECT_EQ(alone[0].rows, 512u);
}

TEST(SchedulerPrefill, ProgressEvenWhereDecodeUsesTheWholeBudget) {
  const Scheduler scheduler({.budget_ms = 5});
  const StepCost cost = Learnt(3, 0.5, 0);
  const StepShape decode{.rows = 16, .attended = 1600, .logits_rows = 16};
  const auto chunks =
      scheduler.PlanPrefill(std::vector{PrefillView{.remaining = 2000, .arrival = kStart},
                                        PrefillView{.remaining = 2000, .arrival = kStart}},
                            decode, cost, kStart);
  ASSERT_EQ(chunks.size(), 1u);
  EXPECT_EQ(chunks[0].rows, kChunkRowsMin);
}

TEST(SchedulerPrefill, DeepInALongPromptFewerRowsKeepTheBudget) {
  const Scheduler scheduler({});
  const StepCost cost = Learnt(3, 0.1, 1);  // 16 rows that attend to 6000 positions: 96 ms
  const StepShape decode{.rows = 4, .attended = 400, .logits_rows = 4};
  const auto rows_at = [&](uint32_t position, const StepShape& beside) {
    const auto chunks = scheduler.PlanPrefill(
        std::vector{PrefillView{.remaining = 2000, .position = position, .arrival = kStart}},
        beside, cost, kStart);
    return chunks.empty() ? 0 : chunks[0].rows;
  };
  EXPECT_GE(rows_at(1000, decode), kChunkRowsMin);
  EXPECT_GE(rows_at(6000, decode), kDeepChunkRowsMin);
  EXPECT_LT(rows_at(6000, decode), 8u);
  EXPECT_EQ(rows_at(60000, decode), kDeepChunkRowsMin);  // some progress in any case
  // Nobody waits: no less than a pass over the weights is worth.
  EXPECT_GE(rows_at(60000, {}), kChunkRowsMin);
}

TEST(SchedulerPrefill, ATurnCountsWhatItsRowsAttendTo) {
  const Scheduler scheduler({});
  const StepCost cost = Learnt(3, 0.5, 0.1);  // at 5000 positions a row takes twice as long
  const auto turn_at = [&](uint32_t position) {
    return scheduler.PlanPrefill(
        std::vector{PrefillView{.remaining = 64, .position = position, .arrival = kStart}}, {},
        cost, kStart)[0];
  };
  EXPECT_NEAR(turn_at(0).turn_tokens, 64, 1);
  EXPECT_NEAR(turn_at(5000).turn_tokens, 128, 20);
}

TEST(SchedulerPrefill, ShortestFirstAndTheRestToTheNext) {
  const Scheduler scheduler({});
  const StepCost cost = Learnt(3, 0.5, 0);
  const std::vector<PrefillView> prompts = {{.remaining = 900, .arrival = kStart},
                                            {.remaining = 30, .arrival = kStart}};
  const auto chunks = scheduler.PlanPrefill(prompts, {}, cost, kStart);
  ASSERT_EQ(chunks.size(), 2u);
  EXPECT_EQ(chunks[0].index, 1u);
  EXPECT_EQ(chunks[0].rows, 30u);
  EXPECT_GT(chunks[1].rows, 400u);
}

TEST(SchedulerPrefill, UnknownCostStartsCarefully) {
  const Scheduler scheduler({});
  const auto chunks = scheduler.PlanPrefill(
      std::vector{PrefillView{.remaining = 2000, .arrival = kStart}}, {}, StepCost(), kStart);
  EXPECT_EQ(chunks[0].rows, 64u);
}

TEST(SchedulerPrefill, AllLogitsKeepWithinTheirRows) {
  const Scheduler scheduler({.logits_rows_max = 64});
  const StepCost cost = Learnt(3, 0.01, 0);
  const StepShape decode{.rows = 10, .attended = 100, .logits_rows = 10};
  const auto chunks = scheduler.PlanPrefill(
      std::vector{PrefillView{.remaining = 2000, .all_logits = true, .arrival = kStart}}, decode,
      cost, kStart);
  ASSERT_EQ(chunks.size(), 1u);
  EXPECT_EQ(chunks[0].rows, 54u);
}

TEST(SchedulerPrefill, NoTailOfAFewRowsIsLeft) {
  const Scheduler scheduler({.budget_ms = 50});
  const StepCost cost = Learnt(3, 0.5, 0);
  const StepShape decode{.rows = 4, .attended = 400, .logits_rows = 4};
  const auto rows_of = [&](uint32_t remaining) {
    return scheduler
        .PlanPrefill(std::vector{PrefillView{.remaining = remaining, .arrival = kStart}}, decode,
                     cost, kStart)
        .front()
        .rows;
  };
  uint32_t room = 0;  // what the budget has room for: all of a prompt that is no longer
  for (uint32_t remaining = 60; remaining < 120; ++remaining) {
    if (cost.Predict({.rows = 4 + remaining, .attended = 400, .logits_rows = 5}) <= 50) {
      room = remaining;
    }
  }
  ASSERT_GT(room, 60u);
  EXPECT_EQ(rows_of(room + 2), room + 2);
  EXPECT_LE(rows_of(room + 20), room);
}

TEST(SchedulerPrefill, ATailThatAttendsToMuchIsLeft) {
  const Scheduler scheduler({.budget_ms = 50});
  const StepCost cost = Learnt(3, 0.5, 1);
  const StepShape decode{.rows = 4, .attended = 400, .logits_rows = 4};
  const auto rows_of = [&](const StepShape& beside) {  // each of them takes about 8 ms
    const PrefillView prompt{.remaining = 8, .position = 8000, .arrival = kStart};
    return scheduler.PlanPrefill(std::vector{prompt}, beside, cost, kStart).front().rows;
  };
  EXPECT_LT(rows_of(decode), 8u);
  EXPECT_EQ(rows_of({}), 8u);  // nobody waits for the step
}

// What it waited in the queue does not count, what it waits in the batch does.
TEST(SchedulerPrefill, KeyThatRunsMuchGivesWayForAWhile) {
  const Scheduler scheduler({});
  const StepCost cost = Learnt(3, 0.5, 0);
  std::vector<PrefillView> prompts = {{.remaining = 30,
                                       .share = 16,
                                       .arrival = kStart - seconds(9),
                                       .admitted = kStart - milliseconds(100)},
                                      {.remaining = 300, .share = 1, .arrival = kStart}};
  EXPECT_EQ(scheduler.PickPrompt(prompts, cost, kStart), 1u);
  prompts[1].share = 8;  // not so much less
  EXPECT_EQ(scheduler.PickPrompt(prompts, cost, kStart), 0u);
  prompts[1].share = 1;
  prompts[0].admitted = kStart - seconds(3);
  EXPECT_EQ(scheduler.PickPrompt(prompts, cost, kStart), 0u);
}

// A running state can be taken up only where a chunk ended.
TEST(SchedulerPrefill, ChunksEndWhereARunningStateIsKept) {
  const Scheduler scheduler({.budget_ms = 50});
  const StepCost cost = Learnt(3, 0.5, 0);
  const StepShape decode{.rows = 1, .attended = 100, .logits_rows = 1};
  const auto rows = [&](PrefillView prompt) {
    const auto chunks = scheduler.PlanPrefill(std::span(&prompt, 1), decode, cost, kStart);
    return chunks.empty() ? 0 : chunks[0].rows;
  };
  const uint32_t plain = rows({.remaining = 4000, .position = 40, .arrival = kStart});
  EXPECT_GT(plain, 64u);
  const uint32_t whole =
      rows({.remaining = 4000, .whole_blocks = true, .position = 40, .arrival = kStart});
  EXPECT_EQ((40 + whole) % 32, 0u);
  EXPECT_LE(whole, plain);
  EXPECT_GT(whole + 32, plain);
  EXPECT_EQ(rows({.remaining = 4000,
                  .rows_max = 24,
                  .whole_blocks = true,
                  .position = 40,
                  .arrival = kStart}),
            24u);
  // Not to the end of the prompt, though that is near.
  EXPECT_EQ(rows({.remaining = 26,
                  .rows_max = 24,
                  .whole_blocks = true,
                  .position = 40,
                  .arrival = kStart}),
            24u);
  // Inside a block there is nothing to end on.
  EXPECT_EQ(rows({.remaining = 10, .whole_blocks = true, .position = 40, .arrival = kStart}), 10u);
}

// Runs steps until the prompt is computed; how many that took.
int StepsUntilDone(Scheduler& scheduler, std::vector<PrefillView> prompts, size_t which) {
  const StepCost cost = Learnt(3, 0.5, 0);
  const StepShape decode{.rows = 4, .attended = 400, .logits_rows = 4};
  std::vector<std::string> names;
  for (const PrefillView& prompt : prompts) names.emplace_back(prompt.fairness_key);
  std::vector<const std::string*> keys;
  for (const std::string& name : names) keys.push_back(&name);
  for (int steps = 1; steps < 1000; ++steps) {
    scheduler.prefill_turns().SetPresent(keys);
    for (const Chunk& chunk : scheduler.PlanPrefill(prompts, decode, cost, kStart)) {
      PrefillView& prompt = prompts[chunk.index];
      prompt.remaining -= chunk.rows;
      prompt.position += chunk.rows;
      scheduler.prefill_turns().Charge(prompt.fairness_key, chunk.rows / prompt.weight);
      if (chunk.index == which && prompt.remaining == 0) return steps;
      if (prompt.remaining == 0) prompt.remaining = 4000;  // its key sends another
    }
  }
  return 1000;
}

TEST(SchedulerPrefill, ShortPromptWaitsForNoLongOnesOfOtherKeys) {
  Scheduler scheduler({.budget_ms = 50});
  std::vector<PrefillView> prompts;
  for (const char* key : {"a", "b", "c"}) {
    prompts.push_back(
        {.fairness_key = key, .remaining = 4000, .share = 1, .arrival = kStart - seconds(100)});
  }
  // Their age, and what their keys have had alone, is nothing to a newcomer of another key.
  std::ignore = StepsUntilDone(scheduler, prompts, 0);
  prompts.push_back({.fairness_key = "d", .remaining = 30, .share = 4, .arrival = kStart});
  EXPECT_LE(StepsUntilDone(scheduler, prompts, 3), 2);
  prompts.back().priority = Priority::kFlex;
  for (PrefillView& prompt : prompts) prompt.arrival = kStart;
  EXPECT_GT(StepsUntilDone(scheduler, prompts, 3), 10);
}

TEST(SchedulerPrefill, KeysTakeTurnsByWeightWhereverTheirPromptsStand) {
  const StepCost cost = Learnt(3, 0.5, 0);
  Scheduler scheduler({.budget_ms = 50});
  const std::string a = "a", b = "b";
  std::vector<PrefillView> prompts = {
      {.fairness_key = a, .remaining = 100000, .arrival = kStart - seconds(9)},
      {.fairness_key = a, .remaining = 90000, .arrival = kStart - seconds(9)},
      {.fairness_key = b, .weight = 2, .remaining = 80000, .arrival = kStart}};
  const std::vector<const std::string*> keys = {&a, &b};
  std::map<std::string_view, double> had;
  for (int step = 0; step < 600; ++step) {
    scheduler.prefill_turns().SetPresent(keys);
    for (const Chunk& chunk : scheduler.PlanPrefill(prompts, {}, cost, kStart)) {
      PrefillView& prompt = prompts[chunk.index];
      prompt.remaining -= chunk.rows;
      had[prompt.fairness_key] += chunk.rows;
      scheduler.prefill_turns().Charge(prompt.fairness_key, chunk.rows / prompt.weight);
    }
    if (had[b] > 60000) break;
  }
  EXPECT_NEAR(had[b] / had[a], 2, 0.1);
}

TEST(PrefillTurns, WhoWasAwayStartsWithTheLeast) {
  PrefillTurns turns;
  const std::string a = "a", b = "b", c = "c";
  turns.SetPresent(std::vector{&a, &b});
  turns.Charge(a, 500);
  turns.Charge(b, 300);
  turns.SetPresent(std::vector{&a, &b, &c});
  EXPECT_EQ(turns.After(c, 0, 1), turns.After(b, 0, 1));
  EXPECT_LT(turns.After(c, 0, 1), turns.After(a, 0, 1));
  // Who left ahead of the others comes back ahead of them.
  turns.SetPresent(std::vector{&b, &c});
  turns.SetPresent(std::vector{&a, &b, &c});
  EXPECT_EQ(turns.After(a, 0, 1), 500);
  // Once all have gone there is nothing to be ahead of.
  turns.SetPresent({});
  turns.SetPresent(std::vector{&a, &b});
  EXPECT_EQ(turns.After(a, 0, 1), turns.After(b, 0, 1));
}

TEST(PrefillTurns, ShorterPromptsGoFirstByOneTurnAtMost) {
  PrefillTurns turns;
  const std::string a = "a", b = "b";
  turns.SetPresent(std::vector{&a, &b});
  EXPECT_LT(turns.After(a, 30, 1), turns.After(b, 4000, 1));
  turns.Charge(a, PrefillTurns::kTurnTokens);
  EXPECT_GT(turns.After(a, 30, 1), turns.After(b, 4000, 1));
}

TEST(SchedulerPrefill, KeyThatCrowdsOthersHasLessOfTheBudget) {
  const Scheduler scheduler({.budget_ms = 50});
  const StepCost cost = Learnt(3, 0.5, 0);
  const StepShape decode{.rows = 4, .attended = 400, .logits_rows = 4};
  std::vector<PrefillView> prompts = {{.remaining = 2000, .arrival = kStart}};
  const uint32_t whole = scheduler.PlanPrefill(prompts, decode, cost, kStart).front().rows;
  prompts[0].crowds = true;
  const uint32_t part = scheduler.PlanPrefill(prompts, decode, cost, kStart).front().rows;
  EXPECT_LT(part, whole * 3 / 4);
  EXPECT_GT(part, whole / 3);
  // Alone it delays nobody.
  EXPECT_EQ(scheduler.PlanPrefill(prompts, {}, cost, kStart).front().rows, 512u);
}

TEST(SchedulerPrefill, PromptsOfSeveralKeysThatQueueHaveLessOfTheBudget) {
  const Scheduler scheduler({.budget_ms = 50});
  const StepCost cost = Learnt(3, 0.5, 0);
  const StepShape decode{.rows = 4, .attended = 400, .logits_rows = 4};
  const auto first = [&](std::vector<PrefillView> prompts, const StepShape& beside) {
    return scheduler.PlanPrefill(prompts, beside, cost, kStart).front().rows;
  };
  const PrefillView a{.fairness_key = "a", .remaining = 2000, .arrival = kStart};
  PrefillView b{.fairness_key = "b", .remaining = 2000, .arrival = kStart};
  const uint32_t whole = first({a}, decode);
  EXPECT_EQ(first({a, a}, decode), whole);  // one key's own delay only itself
  EXPECT_LT(first({a, b}, decode), whole * 3 / 4);
  EXPECT_GT(first({a, b}, decode), whole / 3);
  EXPECT_GT(first({a, b}, {}), whole);  // nobody decodes beside them
  // What is soon done is no queue, and what is done in this step is done in it.
  b.remaining = 10;
  EXPECT_EQ(first({{.fairness_key = "a", .remaining = 500, .arrival = kStart}, b}, decode), 10u);
  b.remaining = whole - 2;
  EXPECT_EQ(first({a, b}, decode), whole - 2);
}

TEST(SchedulerResting, OnlyWhereItHelpsAndNobodyTwiceInARow) {
  const Scheduler scheduler({.budget_ms = 50});
  const StepCost cost = Learnt(3, 0.5, 0);
  std::vector<DecodeView> decodes(16, {.rows = 1, .position = 100, .share = 16});
  decodes.push_back({.rows = 1, .position = 100, .share = 1});
  const auto resting = [&](uint32_t remaining, double share) {
    const PrefillView prompt{.remaining = remaining, .share = share, .arrival = kStart};
    return scheduler.PickResting(decodes, std::span(&prompt, 1), cost).size();
  };
  EXPECT_EQ(resting(40, 1), 0u);   // fits beside all
  EXPECT_EQ(resting(85, 1), 16u);  // beside the one of a key that runs little too
  EXPECT_EQ(resting(200, 1), 0u);  // in no case at once
  EXPECT_EQ(resting(85, 8), 0u);   // runs as much, nearly
  for (DecodeView& decode : decodes) decode.rested = true;
  EXPECT_EQ(resting(85, 1), 0u);
}

TEST(SchedulerVictim, PausedThenLowBandThenLateArrival) {
  const Scheduler scheduler({});
  std::vector<RunningView> running = {
      {.priority = Priority::kDefault, .arrival = kStart, .order = 1},
      {.priority = Priority::kFlex, .arrival = kStart - seconds(9), .order = 2},
      {.priority = Priority::kPriority,
       .paused = true,
       .arrival = kStart - seconds(99),
       .order = 3},
      {.priority = Priority::kDefault, .arrival = kStart, .order = 4}};
  for (const uint64_t expected : {3u, 2u, 4u, 1u}) {
    const size_t victim = scheduler.PickVictim(running);
    EXPECT_EQ(running[victim].order, expected);
    running.erase(running.begin() + static_cast<ptrdiff_t>(victim));
  }
}

}  // namespace
}  // namespace infe::engine
