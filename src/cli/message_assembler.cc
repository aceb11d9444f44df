#include "cli/message_assembler.h"

#include <string_view>
#include <utility>

namespace infe::cli {
namespace {

constexpr std::string_view kQuotes = R"(""")";

}  // namespace

bool MessageAssembler::Add(std::string line) {
  if (state_ == State::kQuoted) return AddQuoted("\n" + line);
  const bool is_pasted = line.find('\n') != std::string::npos;
  const bool is_quoted =
      line.starts_with(kQuotes) &&
      (!is_pasted || (line.ends_with(kQuotes) && line.size() >= 2 * kQuotes.size()));
  if (state_ == State::kNew && is_quoted) {
    state_ = State::kQuoted;
    is_one_line_ = false;
    // What stands behind the quotes is the first line, unless nothing does.
    line.erase(0, kQuotes.size());
    return line.empty() ? false : AddQuoted(std::move(line));
  }
  is_one_line_ = state_ == State::kNew && !is_pasted;
  const bool goes_on = line.ends_with('\\') && !is_pasted;
  if (goes_on) line.pop_back();
  if (state_ == State::kContinued) text_ += '\n';
  text_ += line;
  state_ = goes_on ? State::kContinued : State::kNew;
  return !goes_on;
}

bool MessageAssembler::AddQuoted(std::string line) {
  // The break behind the opening quotes is none of the message.
  if (text_.empty() && line.starts_with('\n')) line.erase(0, 1);
  text_ += line;
  if (!text_.ends_with(kQuotes)) return false;
  text_.erase(text_.size() - kQuotes.size());
  if (text_.ends_with('\n')) text_.pop_back();
  state_ = State::kNew;
  return true;
}

std::string MessageAssembler::Take() {
  std::string text = std::exchange(text_, {});
  Clear();
  return text;
}

void MessageAssembler::Clear() {
  text_.clear();
  state_ = State::kNew;
  is_one_line_ = false;
}

}  // namespace infe::cli
