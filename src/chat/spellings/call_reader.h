// Reads one tool call byte by byte and hands its arguments out as JSON while they come. Each
// spelling has a reader of its own; none fails on input in any worse way than saying kFailed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace infe::chat {

class CallReader {
 public:
  enum class Status : uint8_t { kMore, kDone, kFailed };
  enum class Strictness : uint8_t {
    kMarked,  // a marker announced the call: members may come in any order
    kBare,    // only the object itself tells: the name must come before the arguments
  };

  CallReader() = default;
  CallReader(const CallReader&) = delete;
  CallReader& operator=(const CallReader&) = delete;
  virtual ~CallReader() = default;

  // kDone: c was the call's last byte. kFailed: from c on it is none.
  virtual Status Feed(char c) = 0;
  // The text, or the call's, ended here: closes what only lacks its closing marks.
  virtual void Finish() {}
  // The arguments were read to their end.
  virtual bool arguments_complete() const = 0;

  bool has_name() const { return has_name_; }
  const std::string& name() const { return name_; }
  bool has_arguments() const { return has_arguments_; }
  // Argument bytes since the last call. Empty until the name is known.
  std::string TakeArguments() { return has_name_ ? std::exchange(arguments_, {}) : std::string(); }

 protected:
  void SetName(std::string name) {
    name_ = std::move(name);
    has_name_ = true;
  }
  void AddArguments(std::string_view text) {
    has_arguments_ = true;
    arguments_ += text;
  }

 private:
  std::string name_;
  bool has_name_ = false;
  std::string arguments_;
  bool has_arguments_ = false;
};

}  // namespace infe::chat
