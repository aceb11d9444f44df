// HTTP(S) by libcurl: downloads to a file, resumable, and no larger than they were said to be;
// small answers.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "store/model_pull.h"
#include "store/pull_room.h"

namespace infe::store {

// Appends to `path` what it does not hold yet (a Range request); starts over if the server does not
// do ranges. Success: the file is as long as the server says.
//
// A size must be stated before the first byte is taken: by `room.stated` (then the server must
// agree with it), by the server, or by the user's own bound. What goes beyond it breaks off
// (kResourceExhausted) and nothing of it is kept; so does what the disk cannot hold (kIo). https://
// stays https over every redirect; no other protocol than http and https is spoken.
Result<void> DownloadFile(const std::string& url, const std::vector<std::string>& headers,
                          const std::string& path, const PullRoom& room,
                          const PullOptions& options);

// A small answer with its status, whatever it is; redirects as above. kResourceExhausted beyond
// `bytes_max`.
struct FetchedText {
  long status = 0;
  std::string body;
};
Result<FetchedText> FetchText(const std::string& url, const std::vector<std::string>& headers,
                              size_t bytes_max, const PullOptions& options);

}  // namespace infe::store
