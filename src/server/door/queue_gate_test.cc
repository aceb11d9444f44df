#include "server/door/queue_gate.h"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace infe::server {
namespace {

using Refusal = QueueGate::Refusal;

TEST(QueueGate, SequencesAreBoundedAndNCountsAsN) {
  QueueGate gate({.sequences = 4, .prompt_tokens = 1000});
  const auto three = gate.Enter({.sequences = 3, .prompt_tokens = 10});
  ASSERT_NE(three.place, nullptr);
  EXPECT_EQ(gate.Enter({.sequences = 2, .prompt_tokens = 10}).refusal, Refusal::kSequences);
  EXPECT_FALSE(gate.IsFull(""));
  const auto one = gate.Enter({.sequences = 1, .prompt_tokens = 10});
  EXPECT_NE(one.place, nullptr);
  EXPECT_TRUE(gate.IsFull(""));
  EXPECT_EQ(gate.Enter({.sequences = 1, .prompt_tokens = 10}).refusal, Refusal::kSequences);
}

TEST(QueueGate, RequestsOfOthersShutNobodyOut) {
  QueueGate gate({.sequences = 8, .prompt_tokens = 1000});
  std::vector<QueueGate::Entry> inside;
  const auto enter = [&](const char* key, uint32_t sequences) {
    QueueGate::Entry entry = gate.Enter({.sequences = sequences, .key = key});
    const Refusal refusal = entry.refusal;
    if (entry.place != nullptr) inside.push_back(std::move(entry));
    return refusal;
  };
  EXPECT_EQ(enter("a", 8), Refusal::kNone);
  EXPECT_EQ(enter("a", 1), Refusal::kSequences);  // it is alone: the queue is full
  EXPECT_TRUE(gate.IsFull("a"));
  EXPECT_FALSE(gate.IsFull("b"));
  // An equal share is 4 now, whatever a holds.
  EXPECT_EQ(enter("b", 5), Refusal::kSequences);
  EXPECT_EQ(enter("b", 3), Refusal::kNone);
  EXPECT_EQ(enter("b", 2), Refusal::kOwnSequences);
  EXPECT_EQ(enter("b", 1), Refusal::kNone);
  EXPECT_EQ(enter("a", 1), Refusal::kOwnSequences);
  EXPECT_EQ(enter("c", 2), Refusal::kNone);
  EXPECT_EQ(enter("d", 2), Refusal::kNone);
  // Twice the bound is the end.
  EXPECT_EQ(enter("e", 1), Refusal::kSequences);
  EXPECT_TRUE(gate.IsFull("e"));
  inside.erase(inside.begin());  // a's
  EXPECT_EQ(enter("e", 1), Refusal::kNone);
}

TEST(QueueGate, APlaceComesBackWhenItsHolderGoes) {
  QueueGate gate({.sequences = 1, .prompt_tokens = 10});
  auto first = gate.Enter({.sequences = 1, .prompt_tokens = 10});
  EXPECT_EQ(gate.Enter({.sequences = 1, .prompt_tokens = 1}).refusal, Refusal::kSequences);
  first.place.reset();
  EXPECT_NE(gate.Enter({.sequences = 1, .prompt_tokens = 10}).place, nullptr);
}

TEST(QueueGate, ABoundOfTheMomentCountsBesideTheLimit) {
  QueueGate gate({.sequences = 100, .prompt_tokens = 1000});
  const auto first = gate.Enter({.sequences = 1,
                                 .prompt_tokens = 400,
                                 .prompt_tokens_max = 100});  // nobody inside: however large
  ASSERT_NE(first.place, nullptr);
  const auto refused = gate.Enter({.sequences = 1, .prompt_tokens = 200, .prompt_tokens_max = 500});
  EXPECT_EQ(refused.refusal, Refusal::kPromptTokens);
  EXPECT_EQ(refused.tokens_over, 100u);
  EXPECT_EQ(
      gate.Enter({.sequences = 1, .prompt_tokens = 700, .prompt_tokens_max = 5000}).tokens_over,
      100u);
  EXPECT_NE(gate.Enter({.sequences = 1, .prompt_tokens = 200, .prompt_tokens_max = 600}).place,
            nullptr);
}

TEST(QueueGate, PromptTokensCountUntilTheFirstAnswerToken) {
  QueueGate gate({.sequences = 100, .prompt_tokens = 1000});
  const auto first = gate.Enter({.sequences = 1, .prompt_tokens = 800});
  EXPECT_EQ(gate.Enter({.sequences = 1, .prompt_tokens = 300}).refusal, Refusal::kPromptTokens);
  first.place->SetPromptTokens(600);  // the estimate was too high
  const auto second = gate.Enter({.sequences = 1, .prompt_tokens = 300});
  EXPECT_NE(second.place, nullptr);
  EXPECT_EQ(gate.Enter({.sequences = 1, .prompt_tokens = 300}).refusal, Refusal::kPromptTokens);
  first.place->PromptDone();
  EXPECT_NE(gate.Enter({.sequences = 1, .prompt_tokens = 300}).place, nullptr);
}

TEST(QueueGate, PromptsOfOthersShutNobodyOut) {
  QueueGate gate({.sequences = 100, .prompt_tokens = 1000});
  const auto a = gate.Enter({.prompt_tokens = 600, .key = "a"});
  const auto b = gate.Enter({.prompt_tokens = 400, .key = "b"});
  ASSERT_NE(b.place, nullptr);
  // Both have their share; who has less than that still comes in, until it is like them.
  EXPECT_EQ(gate.Enter({.prompt_tokens = 200, .key = "a"}).refusal, Refusal::kOwnPromptTokens);
  const auto c = gate.Enter({.prompt_tokens = 100, .key = "c"});
  ASSERT_NE(c.place, nullptr);
  EXPECT_NE(gate.Enter({.prompt_tokens = 200, .key = "c"}).place, nullptr);
  EXPECT_EQ(gate.Enter({.prompt_tokens = 300, .key = "c"}).refusal, Refusal::kOwnPromptTokens);
  // Up to twice the bound.
  EXPECT_EQ(gate.Enter({.prompt_tokens = 5000, .key = "d"}).refusal, Refusal::kPromptTokens);
  // A key that was served is a newcomer again.
  c.place->PromptDone();
  EXPECT_NE(gate.Enter({.prompt_tokens = 100, .key = "c"}).place, nullptr);
}

TEST(QueueGate, ABoundThatFellShutsNobodyOutWhoHasLittleInside) {
  QueueGate gate({.sequences = 100, .prompt_tokens = 10'000});
  const auto a = gate.Enter({.prompt_tokens = 5000, .key = "a"});
  const auto b = gate.Enter({.prompt_tokens = 5000, .key = "b"});
  ASSERT_NE(b.place, nullptr);
  // Prompts turned out to take ten times as long: three times the bound is inside.
  const auto enter = [&](const char* key, uint64_t tokens) {
    return gate.Enter({.prompt_tokens = tokens, .prompt_tokens_max = 3000, .key = key});
  };
  const auto first = enter("c", 600);
  ASSERT_NE(first.place, nullptr);
  const auto second = enter("c", 300);
  EXPECT_NE(second.place, nullptr);
  EXPECT_EQ(enter("c", 300).refusal, QueueGate::Refusal::kOwnPromptTokens);  // of 1000
  EXPECT_EQ(enter("a", 1).refusal, QueueGate::Refusal::kOwnPromptTokens);
  EXPECT_EQ(enter("d", 800).refusal, QueueGate::Refusal::kPromptTokens);  // of 750
  EXPECT_NE(enter("d", 700).place, nullptr);
}

TEST(QueueGate, AKeyAloneHasTheWholeQueueAndIsNotCalledGreedy) {
  QueueGate gate({.sequences = 100, .prompt_tokens = 1000});
  const auto first = gate.Enter({.prompt_tokens = 900, .key = "a"});
  ASSERT_NE(first.place, nullptr);
  EXPECT_EQ(gate.Enter({.prompt_tokens = 200, .key = "a"}).refusal, Refusal::kPromptTokens);
}

TEST(QueueGate, WhatIsLargerThanTheWholeQueueEntersAnEmptyOne) {
  QueueGate gate({.sequences = 2, .prompt_tokens = 100});
  const auto large = gate.Enter({.sequences = 8, .prompt_tokens = 5000});
  ASSERT_NE(large.place, nullptr);
  EXPECT_EQ(gate.Enter({.sequences = 1, .prompt_tokens = 1}).place, nullptr);
}

TEST(QueueGate, AfterAnyMixOfThreadsNothingIsLeftInside) {
  QueueGate gate({.sequences = 7, .prompt_tokens = 300});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&gate, t] {
      for (uint64_t i = 0; i < 2000; ++i) {
        const auto entry = gate.Enter(
            {.sequences = 1 + static_cast<uint32_t>(i % 3), .prompt_tokens = 10 * (i % 9)});
        if (entry.place == nullptr) continue;
        entry.place->SetPromptTokens(i % 50);
        if (t % 2 == 0) entry.place->PromptDone();
      }
    });
  for (std::thread& thread : threads) thread.join();
  const auto all = gate.Enter({.sequences = 7, .prompt_tokens = 300});
  ASSERT_NE(all.place, nullptr);
  EXPECT_EQ(gate.Enter({.sequences = 1, .prompt_tokens = 0}).refusal, Refusal::kSequences);
}

}  // namespace
}  // namespace infe::server
