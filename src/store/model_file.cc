#include "store/model_file.h"

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <optional>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "base/sha256.h"
#include "base/split_name.h"

namespace infe::store {
namespace {

namespace fs = std::filesystem;

// Large enough that a read costs nothing beside its hash, small enough for the second-level cache.
constexpr size_t kHashPiece = size_t{256} << 10;
constexpr size_t kStampBytesMax = 512;
// How often a file that changes under the hash is hashed again.
constexpr int kAttemptsMax = 3;
constexpr const char* kStampVersion = "infe-digest-1";

std::string StampPath(const DataDir& dir, const std::string& path) {
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error);
  Sha256 sha;
  sha.Update(error ? path : absolute.string());
  return fmt::format("{}/digests/{}", dir.path, ToHex(sha.Finish()).substr(0, 32));
}

std::string StampText(const FileState& s, const std::string& sha256) {
  return fmt::format("{} {} {} {} {} {} {}\n", kStampVersion, s.device, s.inode, s.bytes,
                     s.modified_ns, s.changed_ns, sha256);
}

// The digest that the stamp remembers of exactly this state of the file.
std::optional<std::string> ReadStamp(const DataDir& dir, const std::string& path,
                                     const FileState& state) {
  constexpr size_t kHexDigits = 64;
  const Result<std::string> text = ReadSmallFile(StampPath(dir, path), kStampBytesMax);
  if (!text || text->size() < kHexDigits + 1) return std::nullopt;
  const std::string sha256 = text->substr(text->size() - kHexDigits - 1, kHexDigits);
  if (sha256.find_first_not_of("0123456789abcdef") != std::string::npos) return std::nullopt;
  if (*text != StampText(state, sha256)) return std::nullopt;
  return sha256;
}

void WriteStamp(const DataDir& dir, const std::string& path, const FileState& state,
                const std::string& sha256) {
  const std::string stamp = StampPath(dir, path);
  const std::string unfinished = fmt::format("{}.{}", stamp, getpid());
  std::error_code ignored;
  fs::create_directories(fs::path(stamp).parent_path(), ignored);
  const auto file = CreateRegular(unfinished, 0600);
  if (!file) return;
  const std::string text = StampText(state, sha256);
  if (!WriteAll(*file, std::as_bytes(std::span(text))) ||
      std::rename(unfinished.c_str(), stamp.c_str()) != 0) {
    unlink(unfinished.c_str());
  }
}

// A write in the tick of the clock in which the file changed last would not show in its times:
// before a look that is to be relied on, that tick has to be over.
void WaitForTick(const FileState& state) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  const int64_t now_ns = int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
  // A time of change in the future (a clock set back) is not waited for: what is written from now
  // on gets another one.
  if (now_ns - state.changed_ns < kClockTickNs)
    std::this_thread::sleep_for(std::chrono::nanoseconds(kClockTickNs));
}

Result<std::string> Hash(const FileDescriptor& file, uint64_t bytes, const HashOptions& options) {
  Sha256 sha;
  std::vector<std::byte> buffer(std::min<uint64_t>(bytes, kHashPiece));
  for (uint64_t done = 0; done < bytes;) {
    const auto piece = std::span(buffer).first(std::min<uint64_t>(buffer.size(), bytes - done));
    errno = 0;
    if (!ReadAt(file, piece, done)) {
      return IoError(errno != 0 ? std::strerror(errno) : "it was cut while it was read");
    }
    sha.Update(piece);
    done += piece.size();
    if (options.on_progress) options.on_progress(done, bytes);
    if (options.cancelled && options.cancelled())
      return Error{ErrorCode::kCancelled, "interrupted", {}};
  }
  return ToHex(sha.Finish());
}

// The digest of the bytes, and the state of the file that it belongs to.
Result<void> HashInto(ModelFile& model, const HashOptions& options) {
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    INFE_ASSIGN(model.state, StateOf(model.file));
    WaitForTick(model.state);
    auto hashed = Hash(model.file, model.state.bytes, options);
    if (!hashed && hashed.error().code == ErrorCode::kCancelled) return hashed.error();
    INFE_ASSIGN(const FileState after, StateOf(model.file));
    if (after != model.state) continue;
    if (!hashed) return IoError(fmt::format("{}: {}", model.path, hashed.error().message));
    model.sha256 = std::move(*hashed);
    return {};
  }
  return Error{
      ErrorCode::kUnavailable,
      fmt::format("{} is being changed by somebody; once it is whole, try again", model.path),
      {}};
}

}  // namespace

Result<ModelFile> HashUnplaced(const std::string& path, const HashOptions& options) {
  ModelFile model;
  model.path = path;
  INFE_ASSIGN(model.file, OpenRegular(path));
  INFE_TRY(HashInto(model, options));
  return model;
}

namespace {

Result<ModelFile> OpenOne(const DataDir& dir, const std::string& path, const HashOptions& options) {
  ModelFile model;
  model.path = path;
  INFE_ASSIGN(model.file, OpenRegular(path));
  INFE_ASSIGN(model.state, StateOf(model.file));
  if (options.source == DigestSource::kStamp) {
    if (auto sha256 = ReadStamp(dir, path, model.state)) {
      model.sha256 = std::move(*sha256);
      return model;
    }
  }
  INFE_TRY(HashInto(model, options));
  WriteStamp(dir, path, model.state, model.sha256);
  return model;
}

}  // namespace

Result<ModelFile> OpenHashed(const DataDir& dir, const std::string& path,
                             const HashOptions& options) {
  INFE_ASSIGN(ModelFile model, OpenOne(dir, path, options));
  const std::vector<std::string> parts = PartPaths(path);
  if (parts.size() == 1) return model;
  Sha256 sha;
  sha.Update(model.sha256 + "\n");
  for (size_t i = 1; i < parts.size(); ++i) {
    INFE_ASSIGN(ModelFile part, OpenOne(dir, parts[i], options));
    sha.Update(part.sha256 + "\n");
    model.more.push_back(std::move(part));
  }
  model.sha256 = ToHex(sha.Finish());
  return model;
}

Result<ModelFile> OpenModelFile(const DataDir& dir, const InstalledModel& model,
                                const HashOptions& options) {
  INFE_ASSIGN(ModelFile file, OpenHashed(dir, model.path, options));
  if (model.sha256.empty() || file.sha256 == model.sha256) return file;
  return Corrupt(
      fmt::format("{} has sha256 {}, where {} has {} in the registry: it is damaged or another "
                  "file, and is not used; infe pull --force {} fetches it anew",
                  model.path, file.sha256, model.name, model.sha256, model.name));
}

void StampPlaced(const DataDir& dir, const ModelFile& file, const std::string& path) {
  auto state = StateOf(file.file);
  if (!state) return;
  WaitForTick(*state);
  const auto later = StateOf(file.file);
  // Renaming changed the one time, and nothing else may have changed.
  FileState before = file.state;
  before.changed_ns = state->changed_ns;
  if (later && *later == *state && before == *state) WriteStamp(dir, path, *state, file.sha256);
}

void RemoveStamp(const DataDir& dir, const std::string& path) {
  std::error_code ignored;
  fs::remove(StampPath(dir, path), ignored);
}

}  // namespace infe::store
