// Server-sent events out of bytes in any pieces (WHATWG HTML, 9.2), as far as chat streams use
// them: what the `data` lines of an event say, joined. Lines end with LF, CR LF or CR; comments,
// ids and names are passed over. One spelling beyond the standard: older llama-server writes
// `error: {...}` instead of `data: {"error": {...}}`.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace infe::upstream {

class EventReader {
 public:
  // Takes a piece; Next gives what is complete.
  void Feed(std::string_view piece);
  // The next event's data, or nothing until more is fed. Data of no bytes is no event.
  std::optional<std::string> Next();
  // Of a body that ends: servers leave the last blank line out.
  std::optional<std::string> Last();
  // More than kEventBytesMax for one event: nothing more is read.
  bool overflowed() const { return overflowed_; }

 private:
  // Takes one line; true: an event is complete.
  bool TakeLine(std::string_view line);
  std::optional<std::string> TakeEvent();

  std::string bytes_;  // not yet taken, from read_ on
  size_t read_ = 0;
  size_t searched_ = 0;  // up to here there is no line's end
  std::string data_;     // of the event that is growing
  bool has_data_ = false;
  bool begun_ = false;  // the byte order mark is behind us
  bool overflowed_ = false;
};

}  // namespace infe::upstream
