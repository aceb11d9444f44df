// HTTP(S) by libcurl: downloads to a file, resumable, and no larger than they were said to be;
// small answers; what a server says of a file without sending it. No header that is given goes to
// another host than the one that was asked, wherever that redirects to: libcurl sees to that for
// Authorization and Cookie, and nothing else is secret.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "store/model_pull.h"
#include "store/pull_room.h"

namespace infe::store {

// Whether somebody will know of the whole file if it is not the one that was meant.
enum class Verification {
  kByDigest,  // what was kept is gone on from, whatever it is: the digest decides
  kNone,      // only where the server can tell that it is of the same file (If-Range), else anew
};

// Appends to `path` what it does not hold yet (a Range request); starts over if the server does not
// do ranges, or says that its file is another one by now. Success: the file is as long as the
// server says. Beside it, in `path`.of, stands of which address and which ETag it is.
//
// A size must be stated before the first byte is taken: by `room.stated` (then the server must
// agree with it), by the server, or by the user's own bound. What goes beyond it breaks off
// (kResourceExhausted) and nothing of it is kept; so does what the disk cannot hold (kIo).
// kPermissionDenied for the statuses 401 and 403. https:// stays https over every redirect; no
// other protocol than http and https is spoken.
struct DownloadPlace {
  std::string path;
  Verification verification = Verification::kByDigest;
};
Result<void> DownloadFile(const std::string& url, const std::vector<std::string>& headers,
                          const DownloadPlace& place, const PullRoom& room,
                          const PullOptions& options);

// A small answer with its status, whatever it is; redirects as above. kResourceExhausted beyond
// `bytes_max`.
struct FetchedText {
  long status = 0;
  std::string body;
  std::string error_code;  // the hub's X-Error-Code, GatedRepo say; empty: none
};
Result<FetchedText> FetchText(const std::string& url, const std::vector<std::string>& headers,
                              size_t bytes_max, const PullOptions& options);
// The first `bytes` of it, or all where it is shorter; no more is taken from a server that would
// send more.
Result<FetchedText> FetchBeginning(const std::string& url, const std::vector<std::string>& headers,
                                   size_t bytes, const PullOptions& options);

// What the hub says of a file that it keeps elsewhere, by a HEAD request: X-Linked-Etag and
// X-Linked-Size of the first answer that has them.
struct LinkedFile {
  std::string etag;    // without its quotes; empty: not said
  uint64_t bytes = 0;  // 0: not said
};
Result<LinkedFile> AskLinkedFile(const std::string& url, const std::vector<std::string>& headers,
                                 const PullOptions& options);

}  // namespace infe::store
