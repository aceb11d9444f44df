// How much CPU time this process may use by the quotas of its control groups, of version 1 and 2,
// its own and every group above it: systemd's CPUQuota, a container's --cpus.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace infe {

struct CpuQuotaSource {
  std::string groups = "/proc/self/cgroup";
  std::string root = "/sys/fs/cgroup";
};

// CPUs, as 7.65; the least of all groups. nullopt: none has a quota.
std::optional<double> CpuQuota(const CpuQuotaSource& source = {});

// Threads that may run all the time within a quota: 7 of 7.65, at least one. One more would use the
// quota up before its period ends, and then every thread stands still until the next.
uint32_t ThreadsOf(std::optional<double> quota);

}  // namespace infe
