#include "grammar/ecma_regex.h"

#include <array>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "grammar/ecma_tree.h"
#include "grammar/limits.h"

namespace infe::grammar {
namespace {

using Kind = EcmaTree::Kind;

// What follows a place of the text, to the text's end: by whether the place is the text's start.
// An anchor consumes nothing; it asks where it stands. So everything is said twice, and where the
// two are the same id, as wherever no ^ is in play, the work is done once.
using ByStart = std::array<RegexId, 2>;

// The texts of a part of the pattern. Between two characters a text neither starts nor ends, so a
// part that reads something asks of its first place only whether the text starts there, and of its
// last whether it ends there; one that reads nothing asks both of the same place.
struct Ways {
  bool nothing[2][2] = {};  // [at the start][at the end]: it may read nothing
  RegexId text[2][2] = {};  // what else it may read
};

class Compiler {
 public:
  explicit Compiler(RegexPool* pool) : pool_(pool) {}

  // tree followed by rest.
  ByStart Before(const EcmaTree& tree, ByStart rest) {
    const ByStart made = MakeBefore(tree, rest);
    if (pool_->overflowed() && !full_at_) full_at_ = tree.at;
    return made;
  }

  // Where in the pattern the pool was used up; nothing if it was not.
  const std::optional<size_t>& full_at() const { return full_at_; }

 private:
  ByStart MakeBefore(const EcmaTree& tree, ByStart rest) {
    if (!tree.has_ahead && !tree.has_anchor) return Behind(Plain(tree), rest);
    switch (tree.kind) {
      case Kind::kStart:
        return {kNothing, rest[1]};
      case Kind::kEnd: {
        const auto ends = [&](RegexId id) { return pool_->Nullable(id) ? kEmptyText : kNothing; };
        return {ends(rest[0]), ends(rest[1])};
      }
      case Kind::kAhead: {
        const ByStart seen = Before(*tree.children[0], {kAnything, kAnything});
        const auto with = [&](RegexId ahead, RegexId id) {
          return pool_->And(tree.negative ? pool_->Not(ahead) : ahead, id);
        };
        const RegexId inside = with(seen[0], rest[0]);
        const bool same = seen[0] == seen[1] && rest[0] == rest[1];
        return {inside, same ? inside : with(seen[1], rest[1])};
      }
      case Kind::kConcat:
        for (size_t i = tree.children.size(); i-- > 0;) rest = Before(*tree.children[i], rest);
        return rest;
      case Kind::kOr: {
        std::vector<RegexId> inside, at_start;
        for (const EcmaTreePtr& child : tree.children) {
          const ByStart way = Before(*child, rest);
          inside.push_back(way[0]);
          at_start.push_back(way[1]);
        }
        return {pool_->Or(std::move(inside)), pool_->Or(std::move(at_start))};
      }
      case Kind::kRepeat:
        return Join(RepeatedWays(tree), rest);
      case Kind::kEmpty:
      case Kind::kSet:
        break;
    }
    return rest;
  }

  // A part without anchors, followed by rest.
  ByStart Behind(RegexId part, ByStart rest) {
    const RegexId inside = pool_->Concat(part, rest[0]);
    if (rest[0] == rest[1]) return {inside, inside};
    const RegexId stays = pool_->Nullable(part) ? rest[1] : kNothing;
    return {inside, pool_->Or(pool_->Concat(pool_->NonEmpty(part), rest[0]), stays)};
  }

  ByStart Join(const Ways& ways, ByStart rest) {
    ByStart joined = {kNothing, kNothing};
    for (const size_t start : {0, 1}) {
      const auto& text = ways.text[start];
      const auto& nothing = ways.nothing[start];
      std::vector<RegexId> parts;
      if (text[0] == text[1]) {
        parts.push_back(pool_->Concat(text[0], rest[0]));
      } else {
        parts.push_back(pool_->Concat(text[0], pool_->NonEmpty(rest[0])));
        if (pool_->Nullable(rest[0])) parts.push_back(text[1]);
      }
      if (nothing[0]) parts.push_back(pool_->NonEmpty(rest[start]));
      if (nothing[1] && pool_->Nullable(rest[start])) parts.push_back(kEmptyText);
      joined[start] = pool_->Or(std::move(parts));
    }
    return joined;
  }

  // Of a part without lookahead.
  Ways WaysOf(const EcmaTree& tree) {
    Ways ways;
    switch (tree.kind) {
      case Kind::kStart:
        ways.nothing[1][0] = ways.nothing[1][1] = true;
        return ways;
      case Kind::kEnd:
        ways.nothing[0][1] = ways.nothing[1][1] = true;
        return ways;
      case Kind::kOr:
        for (const EcmaTreePtr& child : tree.children) ways = Either(ways, WaysOf(*child));
        return ways;
      case Kind::kConcat:
        if (!tree.has_anchor) break;
        ways = WaysOfPlain(kEmptyText);
        for (size_t i = tree.children.size(); i-- > 0;)
          ways = Both(WaysOf(*tree.children[i]), ways);
        return ways;
      case Kind::kRepeat:
        if (!tree.has_anchor) break;
        return RepeatedWays(tree);
      case Kind::kEmpty:
      case Kind::kSet:
      case Kind::kAhead:
        break;
    }
    return WaysOfPlain(Plain(tree));
  }

  Ways WaysOfPlain(RegexId id) {
    Ways ways;
    for (const size_t start : {0, 1}) {
      for (const size_t end : {0, 1}) {
        ways.nothing[start][end] = pool_->Nullable(id);
        ways.text[start][end] = pool_->NonEmpty(id);
      }
    }
    return ways;
  }

  Ways Either(const Ways& a, const Ways& b) {
    Ways ways;
    for (const size_t start : {0, 1}) {
      for (const size_t end : {0, 1}) {
        ways.nothing[start][end] = a.nothing[start][end] || b.nothing[start][end];
        ways.text[start][end] = pool_->Or(a.text[start][end], b.text[start][end]);
      }
    }
    return ways;
  }

  Ways Both(const Ways& a, const Ways& b) {
    Ways ways;
    for (const size_t start : {0, 1}) {
      for (const size_t end : {0, 1}) {
        ways.nothing[start][end] = a.nothing[start][end] && b.nothing[start][end];
        std::vector<RegexId> texts = {pool_->Concat(a.text[start][0], b.text[0][end])};
        if (a.nothing[start][0]) texts.push_back(b.text[start][end]);
        if (b.nothing[0][end]) texts.push_back(a.text[start][end]);
        ways.text[start][end] = pool_->Or(std::move(texts));
      }
    }
    return ways;
  }

  // Rounds that read something: one, or a first, some in the middle and a last. Where a round may
  // also read nothing, at any of the places between them, too few rounds are as good as enough.
  Ways RepeatedWays(const EcmaTree& tree) {
    const Ways round = WaysOf(*tree.children[0]);
    Ways ways;
    for (const size_t start : {0, 1}) {
      for (const size_t end : {0, 1}) {
        ways.nothing[start][end] = tree.min == 0 || (tree.max > 0 && round.nothing[start][end]);
        const bool idles = round.nothing[start][0] || round.nothing[0][end];
        std::vector<RegexId> texts;
        if (tree.max >= 1 && (tree.min <= 1 || idles)) texts.push_back(round.text[start][end]);
        if (tree.max >= 2) {
          const uint32_t least = idles || round.nothing[0][0] ? 2 : std::max(tree.min, 2u);
          const uint32_t most = tree.max == kUnbounded ? kUnbounded : tree.max - 2;
          texts.push_back(
              pool_->Concat({round.text[start][0], pool_->Repeat(round.text[0][0], least - 2, most),
                             round.text[0][end]}));
        }
        ways.text[start][end] = pool_->Or(std::move(texts));
      }
    }
    return ways;
  }

  // Without lookahead and anchors below: a regex of its own.
  RegexId Plain(const EcmaTree& tree) {
    const RegexId id = Make(tree);
    if (pool_->overflowed() && !full_at_) full_at_ = tree.at;
    return id;
  }

  RegexId Make(const EcmaTree& tree) {
    switch (tree.kind) {
      case Kind::kEmpty:
      case Kind::kStart:
      case Kind::kEnd:
      case Kind::kAhead:
        return kEmptyText;
      case Kind::kSet:
        return pool_->Class(tree.set);
      case Kind::kConcat: {
        RegexId id = kEmptyText;
        for (size_t i = tree.children.size(); i-- > 0;)
          id = pool_->Concat(Plain(*tree.children[i]), id);
        return id;
      }
      case Kind::kOr: {
        std::vector<RegexId> parts;
        for (const EcmaTreePtr& child : tree.children) parts.push_back(Plain(*child));
        return pool_->Or(std::move(parts));
      }
      case Kind::kRepeat:
        return pool_->Repeat(Plain(*tree.children[0]), tree.min, tree.max);
    }
    return kNothing;
  }

  RegexPool* pool_;
  std::optional<size_t> full_at_;
};

}  // namespace

Result<RegexId> CompilePattern(RegexPool& pool, std::string_view pattern, PatternMode mode) {
  INFE_ASSIGN(const EcmaTreePtr tree, ParseEcmaPattern(pattern));
  Compiler compiler(&pool);
  // A search may begin at the start or anywhere later, and end anywhere.
  const bool search = mode == PatternMode::kSearch;
  const RegexId behind = search ? kAnything : kEmptyText;
  const ByStart found = compiler.Before(*tree, {behind, behind});
  RegexId result = found[1];
  if (search && found[0] == found[1]) result = pool.Concat(kAnything, found[0]);
  if (search && found[0] != found[1])
    result = pool.Or(found[1], pool.Concat(pool.NonEmpty(kAnything), found[0]));
  if (!pool.overflowed()) return result;
  const std::string where =
      compiler.full_at() ? fmt::format(" at byte {}", *compiler.full_at()) : std::string();
  if (pool.overflow() == RegexPool::Overflow::kFuel)
    return pool.fuel()->Refusal(fmt::format("pattern{}: it", where));
  return ResourceExhausted(
      fmt::format("pattern{}: more than {} nodes (kRegexNodesMax)", where, kRegexNodesMax));
}

}  // namespace infe::grammar
