#include "store/hub.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>

#include <fmt/format.h>

#include "base/file_descriptor.h"
#include "base/json.h"
#include "base/split_name.h"
#include "store/download.h"

namespace infe::store {
namespace {

constexpr const char* kEndpointDefault = "https://huggingface.co";
// A repository with thousands of files has an answer of some MB.
constexpr size_t kAnswerBytesMax = size_t{16} << 20;
constexpr size_t kTokenBytesMax = 4096;
// What is taken where no quantisation is named: what most people take, best first.
constexpr std::array<std::string_view, 6> kQuants{"Q4_K_M", "UD-Q4_K_XL", "MXFP4",
                                                  "Q4_0",   "Q8_0",       "F16"};
constexpr size_t kListedMax = 24;
// Words of the hub that are shown and noted.
constexpr size_t kWordBytesMax = 64;

std::string Upper(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return upper;
}

std::string_view Text(const Json& object, std::string_view key) {
  const Json* value = object.find(key);
  return value != nullptr && value->is_string() ? std::string_view(value->as_string())
                                                : std::string_view();
}

// The word under `key` if it is one: it goes to terminals and into files.
std::string Word(std::string_view text) {
  const bool is_word =
      text.size() <= kWordBytesMax &&
      std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
  return std::string(is_word ? text : std::string_view());
}

// 64 hex digits in lower case, or nothing.
std::string Digest(std::string_view text) {
  std::string digest(text);
  for (char& c : digest) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const bool is_digest =
      digest.size() == 64 && digest.find_first_not_of("0123456789abcdef") == std::string::npos;
  return is_digest ? digest : std::string();
}

// One model of a repository: a file, or the parts of one.
struct Candidate {
  std::string stem;  // the path without -NNNNN-of-NNNNN and .gguf
  std::vector<HubFile> parts;
  uint32_t part_count = 1;
  uint64_t Bytes() const {
    uint64_t bytes = 0;
    for (const HubFile& part : parts) bytes += part.bytes;
    return bytes;
  }
};

// Files beside models that end in .gguf as well.
bool IsOtherKind(std::string_view path) {
  std::string name = Upper(path.substr(path.rfind('/') + 1));
  return name.find("MMPROJ") != std::string::npos || name.find("IMATRIX") != std::string::npos ||
         name.starts_with("MTP-");
}

std::vector<Candidate> Candidates(std::vector<HubFile> files) {
  std::vector<Candidate> found;
  std::sort(files.begin(), files.end(),
            [](const HubFile& a, const HubFile& b) { return a.path < b.path; });
  for (HubFile& file : files) {
    if (!file.path.ends_with(".gguf") || IsOtherKind(file.path)) continue;
    const auto part = ParseSplitName(file.path);
    const std::string stem = part ? part->whole : file.path.substr(0, file.path.size() - 5);
    // Parts of one model follow one another in this order.
    if (part && part->part > 1 && !found.empty() && found.back().stem == stem &&
        found.back().part_count == part->parts) {
      found.back().parts.push_back(std::move(file));
    } else {
      Candidate candidate;
      candidate.stem = stem;
      candidate.part_count = part ? part->parts : 1;
      candidate.parts.push_back(std::move(file));
      found.push_back(std::move(candidate));
    }
  }
  return found;
}

// Whether `stem` ends with the quantisation, as a word.
bool HasQuant(std::string_view stem, std::string_view upper_quant) {
  const std::string upper = Upper(stem);
  if (!upper.ends_with(upper_quant)) return false;
  const size_t before = upper.size() - upper_quant.size();
  if (before == 0) return true;
  const char c = upper[before - 1];
  return c == '-' || c == '.' || c == '_' || c == '/';
}

// What stands for the quantisation in a file's name: its last word, with UD- where that is before
// it.
std::string QuantOf(std::string_view stem) {
  const std::string_view name = stem.substr(stem.rfind('/') + 1);
  size_t cut = name.find_last_of("-.");
  if (cut == std::string_view::npos) return {};
  const std::string_view word = name.substr(cut + 1);
  const bool is_quant = word.size() >= 2 && std::any_of(word.begin(), word.end(), [](char c) {
                          return c >= '0' && c <= '9';
                        });
  if (!is_quant) return {};
  if (name.substr(0, cut).ends_with("-UD")) cut -= 3;
  return std::string(name.substr(cut + 1));
}

std::string Listed(const std::vector<Candidate>& candidates) {
  std::string list;
  for (size_t i = 0; i < candidates.size() && i < kListedMax; ++i) {
    const std::string quant = QuantOf(candidates[i].stem);
    list += fmt::format("{}{} ({:.1f} GB)", i == 0 ? "" : ", ",
                        quant.empty() ? candidates[i].parts.front().path : quant,
                        static_cast<double>(candidates[i].Bytes()) / 1e9);
  }
  if (candidates.size() > kListedMax)
    list += fmt::format(" and {} more", candidates.size() - kListedMax);
  return list;
}

// Of two that are the same otherwise, the one in fewer parts: some publish both.
void Prefer(const Candidate*& best, const Candidate& other) {
  if (best == nullptr || other.part_count < best->part_count) best = &other;
}

const Candidate* ByQuant(const std::vector<Candidate>& candidates, std::string_view quant) {
  const std::string upper = Upper(quant);
  // UD-Q4_K_M is a Q4_K_M with other choices of tensors: taken where the plain one is missing.
  const Candidate* plain = nullptr;
  const Candidate* dynamic = nullptr;
  for (const Candidate& candidate : candidates) {
    if (!HasQuant(candidate.stem, upper)) continue;
    Prefer(HasQuant(candidate.stem, "UD-" + upper) ? dynamic : plain, candidate);
  }
  if (plain != nullptr) return plain;
  if (dynamic != nullptr) return dynamic;
  // Some keep each quantisation in a folder of its name.
  for (const Candidate& candidate : candidates)
    if (Upper(candidate.stem).starts_with(upper + "/")) return &candidate;
  return nullptr;
}

Result<const Candidate*> Choose(const HubReference& reference,
                                const std::vector<Candidate>& candidates) {
  const std::string& repository = reference.repository;
  if (!reference.file.empty()) {
    for (const Candidate& candidate : candidates)
      for (const HubFile& part : candidate.parts)
        if (part.path == reference.file) return &candidate;
    return NotFound(fmt::format("{} has no {}; it has: {}", repository, reference.file,
                                candidates.empty() ? "no GGUF file" : Listed(candidates)));
  }
  if (candidates.empty())
    return NotFound(fmt::format(
        "{} has no GGUF file; look for a repository of the same model with GGUF in its name",
        repository));
  if (!reference.quant.empty()) {
    if (const Candidate* found = ByQuant(candidates, reference.quant)) return found;
    return NotFound(
        fmt::format("{} has no {}; it has: {}", repository, reference.quant, Listed(candidates)));
  }
  for (const std::string_view quant : kQuants)
    if (const Candidate* found = ByQuant(candidates, quant)) return found;
  if (candidates.size() == 1) return &candidates.front();
  return InvalidArgument(
      fmt::format("{} has several models, and none that is taken by itself; "
                  "say which, as hf:{}:QUANT: {}",
                  repository, repository, Listed(candidates)));
}

std::vector<HubFile> ReadFiles(const Json& answer) {
  std::vector<HubFile> files;
  const Json* siblings = answer.find("siblings");
  if (siblings == nullptr || !siblings->is_array()) return files;
  for (const Json& sibling : siblings->array()) {
    if (!sibling.is_object()) continue;
    HubFile file;
    file.path = Text(sibling, "rfilename");
    if (!IsHubFile(file.path)) continue;
    if (const Json* size = sibling.find("size"); size != nullptr && size->is_number())
      file.bytes = static_cast<uint64_t>(std::max<int64_t>(size->as_int64().value_or(0), 0));
    if (const Json* lfs = sibling.find("lfs"); lfs != nullptr && lfs->is_object())
      file.sha256 = Digest(Text(*lfs, "sha256"));
    files.push_back(std::move(file));
  }
  return files;
}

std::string LicenceOf(const Json& answer) {
  constexpr std::string_view kTag = "license:";
  const Json* tags = answer.find("tags");
  if (tags == nullptr || !tags->is_array()) return {};
  for (const Json& tag : tags->array())
    if (tag.is_string() && tag.as_string().starts_with(kTag))
      return Word(std::string_view(tag.as_string()).substr(kTag.size()));
  return {};
}

// A path in an address: what could end or change it is written as %XX.
std::string Escaped(std::string_view path) {
  std::string escaped;
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain =
        std::isalnum(byte) != 0 || std::string_view("-_.~/").find(c) != std::string_view::npos;
    if (plain) {
      escaped += c;
    } else {
      escaped += fmt::format("%{:02X}", byte);
    }
  }
  return escaped;
}

std::string Token() {
  const auto variable = [](const char* name) -> std::string {
    const char* value = std::getenv(name);
    return value != nullptr ? value : "";
  };
  if (std::string token = variable("HF_TOKEN"); !token.empty()) return token;
  std::string path = variable("HF_TOKEN_PATH");
  if (path.empty() && !variable("HF_HOME").empty()) path = variable("HF_HOME") + "/token";
  if (path.empty() && !variable("HOME").empty())
    path = variable("HOME") + "/.cache/huggingface/token";
  if (path.empty()) return {};
  const auto text = ReadSmallFile(path, kTokenBytesMax);
  if (!text) return {};
  const size_t end = text->find_first_of(" \r\n\t");
  return text->substr(0, end);
}

Error Refused(const HubReference& reference, const FetchedText& answer) {
  const bool is_gated = answer.error_code == "GatedRepo";
  return {ErrorCode::kPermissionDenied,
          fmt::format("{} {} ({} from {}); {}", reference.repository,
                      is_gated ? "is not for everybody" : "is not there, or not for everybody",
                      answer.status, HubEndpoint(), HubAdvice(reference.repository)),
          {}};
}

// Of files whose digest the answer does not have. Without one what arrives is pinned.
Result<void> AskDigests(HubModel& model, const PullOptions& options) {
  for (HubFile& file : model.files) {
    if (!file.sha256.empty()) continue;
    const std::string url = HubFileUrl(model.repository, model.commit, file.path);
    const auto linked = AskLinkedFile(url, HubHeaders(), options);
    if (!linked && linked.error().code == ErrorCode::kCancelled) return linked.error();
    if (!linked) return {};
    file.sha256 = Digest(linked->etag);
    if (file.bytes == 0) file.bytes = linked->bytes;
    // One that does not say it of one file says it of none.
    if (file.sha256.empty()) return {};
  }
  return {};
}

}  // namespace

std::string HubAdvice(const std::string& repository) {
  const std::string page = fmt::format("{}/{}", HubEndpoint(), repository);
  if (Token().empty())
    return fmt::format(
        "give a token with HF_TOKEN, and agree to its terms on {} if it asks for that", page);
  return fmt::format(
      "the token that was sent (of HF_TOKEN, or of Hugging Face's own tools) does not open it: "
      "agree to its terms on {} with the token's account, or give another token",
      page);
}

uint64_t HubModel::Bytes() const {
  uint64_t bytes = 0;
  for (const HubFile& file : files) bytes += file.bytes;
  return bytes;
}

std::string HubEndpoint() {
  const char* given = std::getenv("HF_ENDPOINT");
  std::string endpoint = given != nullptr && *given != 0 ? given : kEndpointDefault;
  while (endpoint.ends_with('/')) endpoint.pop_back();
  return endpoint;
}

std::vector<std::string> HubHeaders() {
  const std::string token = Token();
  if (token.empty()) return {};
  return {fmt::format("Authorization: Bearer {}", token)};
}

std::string HubFileUrl(const std::string& repository, const std::string& revision,
                       std::string_view file) {
  return fmt::format("{}/{}/resolve/{}/{}", HubEndpoint(), repository, Escaped(revision),
                     Escaped(file));
}

Result<HubModel> ReadHubAnswer(const HubReference& reference, std::string_view json) {
  auto answer = ParseJson(json);
  if (!answer || !answer->is_object())
    return Corrupt(fmt::format("what {} answers about {} is no JSON object", HubEndpoint(),
                               reference.repository));
  const std::vector<Candidate> candidates = Candidates(ReadFiles(*answer));
  INFE_ASSIGN(const Candidate* const chosen, Choose(reference, candidates));
  if (chosen->parts.size() != chosen->part_count)
    return NotFound(fmt::format("{} has {} of the {} parts of {}", reference.repository,
                                chosen->parts.size(), chosen->part_count, chosen->stem));
  HubModel model;
  model.repository = reference.repository;
  model.commit = Text(*answer, "sha");
  if (!IsHubRevision(model.commit)) model.commit = reference.revision;
  if (const Json* gguf = answer->find("gguf"); gguf != nullptr && gguf->is_object())
    model.architecture = Word(Text(*gguf, "architecture"));
  model.licence = LicenceOf(*answer);
  model.quant = QuantOf(chosen->stem);
  model.files = chosen->parts;
  return model;
}

Result<HubModel> AskHub(const HubReference& reference, const PullOptions& options) {
  const std::string url = fmt::format("{}/api/models/{}/revision/{}?blobs=true", HubEndpoint(),
                                      reference.repository, Escaped(reference.revision));
  if (options.on_progress) options.on_progress({"asking the hub", 0, 0});
  INFE_ASSIGN(const FetchedText answer, FetchText(url, HubHeaders(), kAnswerBytesMax, options));
  if (answer.status == 401 || answer.status == 403) return Refused(reference, answer);
  if (answer.status == 404)
    return NotFound(fmt::format("{} has no model {} with a revision {}", HubEndpoint(),
                                reference.repository, reference.revision));
  if (answer.status != 200)
    return Error{ErrorCode::kUnavailable, fmt::format("{}: status {}", url, answer.status), {}};
  INFE_ASSIGN(HubModel model, ReadHubAnswer(reference, answer.body));
  INFE_TRY(AskDigests(model, options));
  return model;
}

}  // namespace infe::store
