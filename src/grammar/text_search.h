// Where the first of many texts ends in a stream of bytes: Aho and Corasick's automaton (1975). A
// state is the longest beginning of one of the texts that what was read ends with, so that a byte
// costs the same however many texts there are. RegexPool walks it as nodes (RegexPool::UpTo); the
// same as a regex of n texts would be n derivatives at every byte, and n^2 for n of them at once.
//
// Immutable once built.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace infe::grammar {

class TextSearch {
 public:
  static constexpr uint32_t kStart = 0;
  static constexpr uint32_t kNoGroup = UINT32_MAX;
  static constexpr uint8_t kByteMax = 0xFE;  // FF is the lead byte of special tokens, in no text

  // Texts of one group are looked for together; kNoGroup: of none, but their ends are found too.
  // Groups are counted from 0 on.
  // The same text may be there several times, in several groups. One that is empty or holds an FF
  // is left out: it is found nowhere.
  struct Text {
    std::string bytes;
    uint32_t group = kNoGroup;
    bool operator==(const Text&) const = default;
  };
  explicit TextSearch(std::vector<Text> texts);

  uint32_t Next(uint32_t state, uint8_t byte) const;
  // Whether some text ends here, and one of this group.
  bool Ends(uint32_t state) const { return states_[state].ends; }
  bool EndsGroup(uint32_t state, uint32_t group) const;
  // The bytes that lead elsewhere than to kStart, sorted, and where.
  std::vector<std::pair<uint8_t, uint32_t>> Steps(uint32_t state) const;
  // A byte that no text has: from every state it leads to kStart. Without one it is not known which
  // states lead nowhere.
  bool has_free_byte() const { return has_free_byte_; }
  // Bytes until a text of the group ends and none has before; UINT32_MAX: never. Exact where
  // has_free_byte. Costs a few steps for each text of the group.
  uint32_t BytesTo(uint32_t state, uint32_t group) const;
  size_t TextsOf(uint32_t group) const {
    return group < groups_.size() ? groups_[group].size() : 0;
  }

  const std::vector<Text>& texts() const { return texts_; }
  size_t bytes() const;  // of memory

 private:
  struct State {
    std::vector<std::pair<uint8_t, uint32_t>> children = {};  // sorted
    uint32_t shorter = kStart;  // the next shorter beginning of a text that it ends with
    uint32_t depth = 0;
    bool ends = false;
    std::vector<uint32_t> groups = {};  // of the texts that end here, sorted
  };

  uint32_t Child(uint32_t state, uint8_t byte) const;  // kStart: none
  void Link();
  // Whether reading a text from its byte `at` on, in `state`, ends no text before its own end.
  bool IsClear(uint32_t state, uint32_t text, uint32_t at) const;
  uint32_t BytesToText(uint32_t state, uint32_t text) const;

  std::vector<Text> texts_;
  std::vector<std::vector<uint32_t>> paths_;   // of each text, the states of its beginnings
  std::vector<bool> clear_;                    // of each text: no other one ends inside it
  std::vector<std::vector<uint32_t>> groups_;  // the texts of each
  std::vector<State> states_{1};
  bool has_free_byte_ = false;
};

}  // namespace infe::grammar
