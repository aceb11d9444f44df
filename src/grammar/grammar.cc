#include "grammar/grammar.h"

#include "grammar/limits.h"
#include "grammar/machine.h"
#include "grammar/program.h"

namespace infe::grammar {
namespace {

// Machines kept per grammar, and how large one may be to be kept.
constexpr size_t kIdleMachines = 2;
constexpr size_t kIdleBytesMax = 32 << 20;

}  // namespace

Grammar::Grammar(Program program, std::vector<Unenforced> unenforced)
    : program_(std::make_unique<const Program>(std::move(program))),
      unenforced_(std::move(unenforced)) {}

Grammar::~Grammar() = default;

const std::vector<std::string>& Grammar::tags() const {
  return program_->tags;
}

std::unique_ptr<Machine> Grammar::TakeMachine(const TokenTrie* trie) const {
  const std::lock_guard lock(mutex_);
  for (auto& machine : idle_) {
    if (&machine->trie() != trie) continue;
    std::swap(machine, idle_.back());
    auto taken = std::move(idle_.back());
    idle_.pop_back();
    return taken;
  }
  return nullptr;
}

void Grammar::GiveBack(std::unique_ptr<Machine> machine) const {
  if (machine->Failure() || machine->bytes() > kIdleBytesMax) return;
  const std::lock_guard lock(mutex_);
  if (idle_.size() < kIdleMachines) idle_.push_back(std::move(machine));
}

}  // namespace infe::grammar
