// The reader of event streams on arbitrary bytes. Pieces do not matter, and a plain reading, which
// first makes one kind of line end of all three and then takes the text line by line, finds the
// same events.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "upstream/event_reader.h"

namespace {

using Events = std::vector<std::string>;

Events Read(std::string_view bytes, size_t step) {
  infe::upstream::EventReader reader;
  Events events;
  for (size_t at = 0; at < bytes.size(); at += step) {
    reader.Feed(bytes.substr(at, step));
    while (const auto event = reader.Next()) events.push_back(*event);
  }
  if (const auto last = reader.Last()) events.push_back(*last);
  INFE_CHECK(!reader.overflowed());
  INFE_CHECK(!reader.Next() && !reader.Last());
  return events;
}

std::string WithLineFeeds(std::string_view bytes) {
  std::string text;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const bool pair = bytes[i] == '\r' && i + 1 < bytes.size() && bytes[i + 1] == '\n';
    if (!pair) text += bytes[i] == '\r' ? '\n' : bytes[i];
  }
  return text;
}

Events ReadPlainly(std::string_view bytes) {
  std::string text = WithLineFeeds(bytes);
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  text += "\n\n";
  Events events;
  Events data;  // lines of the event that grows
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    if (line.empty()) {
      std::string joined;
      for (size_t i = 0; i < data.size(); ++i) joined += (i == 0 ? "" : "\n") + data[i];
      if (!joined.empty()) events.push_back(joined);
      data.clear();
    } else if (line == "data" || line.starts_with("data:")) {
      std::string value = line.size() > 5 ? line.substr(5) : "";
      if (value.starts_with(' ')) value.erase(0, 1);
      data.push_back(value);
    } else if (line.starts_with("error:{") || line.starts_with("error: {")) {
      data = {"{\"error\":" + line.substr(line.find('{')) + "}"};
    }
  }
  return events;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const Events whole = Read(input, size + 1);
  INFE_CHECK(Read(input, 1) == whole);
  INFE_CHECK(Read(input, 7) == whole);
  INFE_CHECK(ReadPlainly(input) == whole);
  return 0;
}
