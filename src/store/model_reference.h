// What `infe pull` takes beside a name of the registry: a model of Hugging Face, a URL, a path.
//
//   hf:ORG/REPO              the quantisation that most people take (store/hub.h)
//   hf:ORG/REPO:QUANT        Q4_K_M, say; in any case of letters
//   hf:ORG/REPO/FILE.gguf    this file
//   hf:ORG/REPO@REVISION...  a branch, a tag or a commit instead of main
//   hf.co/..., https://huggingface.co/ORG/REPO[/blob/REVISION/FILE]   the same, as pages write it
//   https://...  http://...  a file
//   ./FILE  /FILE  FILE.gguf a file of this machine
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"

namespace infe::store {

struct HubReference {
  std::string repository;         // ORG/REPO
  std::string revision = "main";  // branch, tag or commit
  std::string quant;              // empty: not said
  std::string file;               // in the repository; empty: by the quantisation
  // hf:..., the same for every way to write it.
  std::string Text() const;
};
struct UrlReference {
  std::string url;
};
struct PathReference {
  std::string path;
};
using ModelReference = std::variant<HubReference, UrlReference, PathReference>;

// A file in a repository: parts between slashes, none of which climbs; no control characters.
bool IsHubFile(std::string_view text);
// A commit, a tag or a branch, which may have slashes (refs/pr/1).
bool IsHubRevision(std::string_view text);

// Nothing: it is a name for the registry. kInvalidArgument, in words, for what begins like a
// reference and is none.
Result<std::optional<ModelReference>> ParseModelReference(std::string_view text);
std::string TextOf(const ModelReference& reference);

// The name that a model gets from a file's: without folders, .gguf and a shard's number, each
// character that no name has made a dash.
std::string NameFromFile(std::string_view file);

}  // namespace infe::store
