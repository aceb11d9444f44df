// What a model's text is read as, piece by piece.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace infe::chat {

struct OutputEvent {
  enum class Kind : uint8_t {
    kContent,        // text
    kReasoning,      // text
    kCallBegin,      // text: the function's name
    kCallArguments,  // text: bytes of the arguments, as the model wrote them
    kCallEnd,        // of call `call`
  };
  Kind kind = Kind::kContent;
  std::string text;
  size_t call = 0;       // index of the call in this answer, from 0
  bool complete = true;  // of kCallEnd: the call was closed, not cut or broken
  bool operator==(const OutputEvent&) const = default;
};

}  // namespace infe::chat
