#include "upstream/balance.h"

#include <cmath>

namespace infe::upstream {
namespace {

uint64_t Mix(uint64_t x) {
  x ^= x >> 30;
  x *= 0xBF58476D1CE4E5B9;
  x ^= x >> 27;
  x *= 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

bool IsOpen(const Candidate& candidate, bool busy) {
  return candidate.allowed && candidate.busy == busy;
}

std::optional<size_t> Least(std::span<const Candidate> candidates, bool busy, uint64_t turn) {
  std::optional<size_t> best;
  double least = 0;
  for (size_t i = 0; i < candidates.size(); ++i) {
    const size_t at = (turn + i) % candidates.size();
    const Candidate& candidate = candidates[at];
    const double load = (candidate.outstanding + 1.0) / candidate.weight;
    if (!IsOpen(candidate, busy) || (best && load >= least)) continue;
    best = at;
    least = load;
  }
  return best;
}

std::optional<size_t> ByPrefix(std::span<const Candidate> candidates, bool busy, uint64_t prefix) {
  double all = 0, weights = 0;
  for (const Candidate& candidate : candidates)
    if (IsOpen(candidate, busy)) {
      all += candidate.outstanding;
      weights += candidate.weight;
    }
  std::optional<size_t> best;
  double highest = 0;
  for (size_t i = 0; i < candidates.size(); ++i) {
    const Candidate& candidate = candidates[i];
    if (!IsOpen(candidate, busy)) continue;
    const double share = kSpread * (all + 1) * candidate.weight / weights;
    if (candidate.outstanding > std::ceil(share)) continue;
    // Uniform in (0, 1]; -weight / ln(u) orders as rendezvous hashing with weights does.
    const double u = (static_cast<double>(HashText(candidate.name, prefix) >> 11) + 1) * 0x1.0p-53;
    const double score = u >= 1 ? INFINITY : -candidate.weight / std::log(u);
    if (best && score <= highest) continue;
    best = i;
    highest = score;
  }
  return best;
}

}  // namespace

uint64_t HashText(std::string_view text, uint64_t seed) {
  uint64_t hash = Mix(seed + 0x9E3779B97F4A7C15);
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  return Mix(hash);
}

std::optional<size_t> Choose(std::span<const Candidate> candidates, Balance balance, uint64_t turn,
                             uint64_t prefix) {
  for (const bool busy : {false, true}) {
    std::optional<size_t> chosen;
    if (balance == Balance::kPrefix) chosen = ByPrefix(candidates, busy, prefix);
    if (!chosen) chosen = Least(candidates, busy, turn);
    if (chosen) return chosen;
  }
  return std::nullopt;
}

}  // namespace infe::upstream
