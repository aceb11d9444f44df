// infe doctor: what this machine offers, what infe makes of it, and what is wrong.
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>

#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cpu_features.h"
#include "base/json.h"
#include "base/memory.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/progress_bar.h"
#include "cli/read_config.h"
#include "kernels/table.h"
#include "model/gguf.h"
#include "server/door/door.h"
#include "server/models/read_gguf.h"
#include "store/key_store.h"
#include "store/model_file.h"
#include "store/model_registry.h"
#include "store/secret_files.h"

namespace infe::cli {
namespace {

struct Arguments {
  StorePlace place;
  bool json = false, verify = false;
};

struct Finding {
  std::string what;
  std::string value;
  std::string advice;  // empty: all is well
};

uint64_t AvailableMemory() {
  std::ifstream in("/proc/meminfo");
  std::string key, unit;
  uint64_t kilobytes = 0;
  while (in >> key >> kilobytes >> unit)
    if (key == "MemAvailable:") return kilobytes * 1024;
  return 0;
}

std::string HugePages() {
  std::ifstream in("/sys/kernel/mm/transparent_hugepage/enabled");
  std::string text;
  std::getline(in, text);
  const size_t open = text.find('[');
  const size_t close = text.find(']');
  return open == std::string::npos || close == std::string::npos
             ? "unknown"
             : text.substr(open + 1, close - open - 1);
}

bool HasPip() {
  return std::system("python3 -m pip --version > /dev/null 2>&1") == 0;
}

Finding ExamineModel(const store::DataDir& dir, const store::InstalledModel& model,
                     const Arguments& a) {
  Finding finding{"model " + model.name, HumanBytes(model.size_bytes), {}};
  store::HashOptions options;
  if (a.verify) options.source = store::DigestSource::kBytes;
  // Its own digest, also of a file that will not be served.
  auto file = store::OpenHashed(dir, model.path, options);
  if (!file) {
    finding.advice = file.error().message;
    return finding;
  }
  finding.value += ", sha256 " + file->sha256;
  if (!model.sha256.empty() && file->sha256 != model.sha256) {
    finding.advice = fmt::format(
        "the registry asks for sha256 {}: the file is damaged or another one, and is not served; "
        "infe pull --force {} fetches it anew",
        model.sha256, model.name);
    return finding;
  }
  const auto gguf = server::ReadGguf(std::move(*file));
  if (!gguf)
    finding.advice =
        fmt::format("{}; infe pull --force {} fetches it anew", gguf.error().message, model.name);
  return finding;
}

void ExamineKeys(const store::DataDir& dir, const std::string& store_url,
                 std::vector<Finding>& findings) {
  const auto told = store::CheckSecretFiles(dir, {});
  if (!told)
    findings.push_back({"secrets", "open to others", told.error().message});
  else
    for (const std::string& advice : *told)
      findings.push_back({"secrets", "open to others", advice});
  const auto keys = store::KeyStore::Open(dir, store_url);
  if (!keys) {
    findings.push_back({"keys", "cannot be used", keys.error().message});
    return;
  }
  switch ((*keys)->state()) {
    case store::KeyState::kThere:
      findings.push_back({"keys", "yes", {}});
      return;
    case store::KeyState::kNone:
      findings.push_back(
          {"keys", "none", "the server takes anyone on loopback: infe keys create --name NAME"});
      return;
    case store::KeyState::kLost:
    case store::KeyState::kForeign:
      findings.push_back({"keys", "lost", server::WhyShut((*keys)->state(), dir.path)});
      return;
  }
}

std::vector<Finding> Examine(const Arguments& a) {
  std::vector<Finding> findings;
  const CpuFeatures& cpu = GetCpuFeatures();
  findings.push_back({"cpu", cpu.model_name.empty() ? "unknown" : cpu.model_name, {}});
  findings.push_back(
      {"instruction sets",
       fmt::format("{}{}{}{}", cpu.avx2 ? "avx2 " : "", cpu.avx512_vnni ? "avx512-vnni " : "",
                   cpu.avx512_bf16 ? "avx512-bf16 " : "", cpu.amx_int8 ? "amx-int8" : ""),
       cpu.avx2 ? ""
                : "no AVX2: infe runs, but several times slower than this machine's class could"});
  const std::string isa(kernels::Name(kernels::SelectKernels().isa));
  const char* wanted = std::getenv("INFE_ISA");
  findings.push_back(
      {"kernels", isa,
       wanted == nullptr || *wanted == 0 ? ""
       : wanted == isa                   ? "chosen by INFE_ISA; unset it for the best this CPU can"
                       : "INFE_ISA asks for what this CPU cannot run; the best it can was taken"});
  const long online = sysconf(_SC_NPROCESSORS_ONLN);
  findings.push_back({"threads", fmt::format("{} of {} CPUs", cpu.cores_allowed, online),
                      cpu.cores_allowed < static_cast<uint32_t>(online)
                          ? "an affinity mask or a cgroup quota holds the rest back"
                          : ""});
  const uint64_t memory = AvailableMemory();
  findings.push_back({"memory available", HumanBytes(memory),
                      memory < (uint64_t{2} << 30)
                          ? "under 2 GB: serve smollm2-135m with --kv-memory 256MiB"
                          : ""});
  const std::string huge = HugePages();
  findings.push_back({"huge pages", huge,
                      huge == "never" ? "weights read up to a fifth slower: echo madvise > "
                                        "/sys/kernel/mm/transparent_hugepage/enabled"
                                      : ""});
  findings.push_back(
      {"python3 with pip", HasPip() ? "yes" : "no",
       HasPip() ? "" : "infe pull needs it for the built-in models: apt install python3-pip"});

  auto dir = store::OpenDataDir(a.place.data_dir);
  if (!dir) {
    findings.push_back({"data folder", "cannot be used", dir.error().message});
    return findings;
  }
  struct statvfs disk{};
  const uint64_t free_bytes =
      statvfs(dir->path.c_str(), &disk) == 0 ? disk.f_bavail * disk.f_frsize : 0;
  findings.push_back({"data folder", fmt::format("{} ({} free)", dir->path, HumanBytes(free_bytes)),
                      free_bytes < (uint64_t{1} << 30)
                          ? "under 1 GB free: make room before pulling a model"
                          : ""});
  ExamineKeys(*dir, a.place.store_url, findings);
  auto registry = store::ModelRegistry::Load(*dir);
  if (!registry) {
    findings.push_back({"models", "registry unreadable", registry.error().message});
    return findings;
  }
  const auto installed = registry->Installed();
  if (installed.empty()) findings.push_back({"models", "none", "infe pull infe-pulse"});
  for (const auto& model : installed) findings.push_back(ExamineModel(*dir, model, a));
  return findings;
}

}  // namespace

void AddDoctor(CommandLine& line) {
  static Arguments a;
  Command& doctor =
      line.Add("doctor", "Check CPU, kernels, threads, memory, packages, keys and models");
  AddStorePlace(doctor, a.place);
  doctor
      .Flag("--verify", a.verify,
            "Hash the model files although their times say that they are unchanged")
      .Flag("--json", a.json, "Print JSON")
      .Footer("Exit code 1 if something needs mending.")
      .Run([&doctor] {
        auto place = FindStore(doctor, a.place);
        if (!place) return Fail(place.error());
        a.place = *std::move(place);
        const std::vector<Finding> findings = Examine(a);
        bool well = true;
        Json list = Json::MakeArray();
        for (const Finding& f : findings) {
          well = well && f.advice.empty();
          if (a.json) {
            list.push_back(Json::Object{{"check", f.what},
                                        {"value", f.value},
                                        {"advice", f.advice.empty() ? Json() : Json(f.advice)}});
          } else {
            fmt::print("{} {:<18} {}\n", f.advice.empty() ? "ok  " : "LOOK", f.what, f.value);
            if (!f.advice.empty()) fmt::print("     {:<18} -> {}\n", "", f.advice);
          }
        }
        if (a.json) fmt::print("{}\n", Json(Json::Object{{"ok", well}, {"checks", list}}).Dump());
        return well ? kExitDone : kExitFailed;
      });
}

}  // namespace infe::cli
