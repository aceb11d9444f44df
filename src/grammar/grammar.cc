#include "grammar/grammar.h"

#include "grammar/limits.h"
#include "grammar/machine.h"
#include "grammar/program.h"

namespace infe::grammar {
namespace {

// Machines kept per grammar, and how large one may be to be kept.
constexpr size_t kIdleMachines = 2;
constexpr size_t kIdleBytesMax = 8 << 20;

size_t BytesOf(const Program& program) {
  size_t total = program.pool.size() * 120 + program.lexemes.size() * sizeof(Lexeme) +
                 program.states.size() * sizeof(State) +
                 program.transitions.size() * sizeof(Transition) +
                 program.nodes.size() * sizeof(Node);
  for (const ObjectRule& object : program.objects)
    total += sizeof object + object.properties.size() * (sizeof(ObjectRule::Property) + 32);
  for (const ArrayRule& array : program.arrays)
    total += sizeof array + array.item_bytes.size() * sizeof(uint32_t);
  return total;
}

}  // namespace

Grammar::Grammar(Program program, std::vector<Unenforced> unenforced)
    : program_(std::make_unique<const Program>(std::move(program))),
      program_bytes_(BytesOf(*program_)),
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

size_t Grammar::bytes() const {
  size_t total = program_bytes_ + running_bytes_;
  const std::lock_guard lock(mutex_);
  for (const auto& machine : idle_) total += machine->bytes();
  return total;
}

}  // namespace infe::grammar
