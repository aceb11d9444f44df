#include "base/cpu_quota.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <vector>

namespace infe {
namespace {

// "max 100000" or "765000 100000".
std::optional<double> QuotaOfVersion2(const std::string& folder) {
  std::ifstream in(folder + "/cpu.max");
  std::string quota;
  double period = 0;
  if (!(in >> quota >> period) || quota == "max" || period <= 0) return std::nullopt;
  double micros = 0;
  if (!(std::istringstream(quota) >> micros) || micros <= 0) return std::nullopt;
  return micros / period;
}

std::optional<double> QuotaOfVersion1(const std::string& folder) {
  std::ifstream quota_file(folder + "/cpu.cfs_quota_us");
  std::ifstream period_file(folder + "/cpu.cfs_period_us");
  double quota = 0, period = 0;  // a quota of -1 is none
  if (!(quota_file >> quota) || !(period_file >> period) || quota <= 0 || period <= 0)
    return std::nullopt;
  return quota / period;
}

struct Least {
  std::optional<double> value;
  void Take(std::optional<double> other) {
    if (other && (!value || *other < *value)) value = other;
  }
};

// The group and all above it. Inside a container the path may lead nowhere, and the mount itself is
// the group.
template <typename Read>
void TakeGroups(const std::string& mount, std::string path, const Read& read, Least& least) {
  for (;;) {
    while (path.ends_with('/')) path.pop_back();
    least.Take(read(mount + path));
    if (path.empty()) return;
    path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
  }
}

bool HasController(const std::string& list, const std::string& name) {
  std::istringstream in(list);
  for (std::string one; std::getline(in, one, ',');)
    if (one == name) return true;
  return false;
}

}  // namespace

std::optional<double> CpuQuota(const CpuQuotaSource& source) {
  Least least;
  least.Take(QuotaOfVersion2(source.root));
  std::ifstream groups(source.groups);
  for (std::string line; std::getline(groups, line);) {  // "4:cpu,cpuacct:/a/b", "0::/a/b"
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    if (controllers.empty()) {
      TakeGroups(source.root, path, QuotaOfVersion2, least);
    } else if (HasController(controllers, "cpu")) {
      for (const std::string& name : {controllers, std::string("cpu")})
        TakeGroups(source.root + "/" + name, path, QuotaOfVersion1, least);
    }
  }
  return least.value;
}

uint32_t ThreadsOf(std::optional<double> quota) {
  constexpr double kMost = 1u << 20;
  if (!quota) return static_cast<uint32_t>(kMost);
  return static_cast<uint32_t>(std::clamp(std::floor(*quota), 1.0, kMost));
}

}  // namespace infe
