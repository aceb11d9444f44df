// What Hugging Face (or what HF_ENDPOINT names) has of a model: its revision, the files to fetch
// with their sizes and digests, what it says of the architecture. Nothing is downloaded here.
//
// What a hub answers is a stranger's word: names that climb, digests that are none and words with
// control characters are left out.
//
// Source: the hub's API, /api/models/ORG/REPO/revision/REVISION?blobs=true; the headers
// X-Linked-Etag and X-Error-Code of huggingface_hub.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/model_pull.h"
#include "store/model_reference.h"

namespace infe::store {

struct HubFile {
  std::string path;  // in the repository
  uint64_t bytes = 0;
  std::string sha256;  // empty: the hub does not say
};
struct HubModel {
  std::string repository;
  std::string commit;          // what the revision is now
  std::string architecture;    // general.architecture, as the hub read it; empty: it does not say
  std::string licence;         // empty: it does not say
  std::string quant;           // of the file chosen; empty: its name does not say
  std::vector<HubFile> files;  // one, or all parts of one model in their order
  uint64_t Bytes() const;
};

// The hub's address without a slash at its end.
std::string HubEndpoint();
// The authorisation header for whoever has a token (HF_TOKEN, or the file where Hugging Face's own
// tools keep it), else nothing.
std::vector<std::string> HubHeaders();
// What to do about a file of this repository that is refused with 401 or 403, as the end of a
// message.
std::string HubAdvice(const std::string& repository);
std::string HubFileUrl(const std::string& repository, const std::string& revision,
                       std::string_view file);

// kNotFound, saying what there is instead, where the repository, the revision, the quantisation or
// the file is not there; kPermissionDenied, saying what to do, where a token or a consent is asked
// for. Of a file whose digest the answer lacks, the file's own address is asked for it.
Result<HubModel> AskHub(const HubReference& reference, const PullOptions& options);

// The same from the hub's answer, for tests.
Result<HubModel> ReadHubAnswer(const HubReference& reference, std::string_view json);

}  // namespace infe::store
