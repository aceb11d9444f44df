// Makes one message of the lines that somebody types. Most messages are a line. Longer ones:
//
//   a line that ends in a backslash goes on in the next one, which begins a new line of the message
//   """ at the beginning of a line opens a message that ends with """ at the end of a line
//
// A line of an editor may hold line breaks itself, where text was pasted: it is one line here, and
// by itself a message as it stands, whatever it begins or ends with. Quotes around all of it are
// quotes.
#pragma once

#include <string>

namespace infe::cli {

class MessageAssembler {
 public:
  // True: the message is whole, Take() it. False: it goes on.
  bool Add(std::string line);
  // Empty again afterwards.
  std::string Take();
  void Clear();
  bool goes_on() const { return state_ != State::kNew; }
  // Of one line that is no part of a longer message: only such a line may be a command.
  bool is_one_line() const { return is_one_line_; }

 private:
  //          """            """ at an end
  // kNew ---------> kQuoted ------------> whole
  //   \--backslash--> kContinued --a line without--> whole
  enum class State { kNew, kContinued, kQuoted };
  bool AddQuoted(std::string line);

  State state_ = State::kNew;
  bool is_one_line_ = false;
  std::string text_;
};

}  // namespace infe::cli
