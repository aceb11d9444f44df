// What this CPU can do and what the operating system lets programs use of it, asked once at start.
#pragma once

#include <cstdint>
#include <string>

namespace infe {

struct CpuFeatures {
  bool avx2 = false;         // AVX2, FMA, F16C, BMI, BMI2 and their state enabled
  bool avx512_vnni = false;  // F, BW, VL, DQ, VNNI and their state enabled
  bool avx512_bf16 = false;
  bool amx_int8 = false;       // and AVX-512 VNNI; the system lets this process use the tiles
  std::string model_name;      // as the CPU says of itself
  uint32_t cores_allowed = 1;  // CPUs in this process's affinity mask, capped by its cgroup quota
};

const CpuFeatures& GetCpuFeatures();

}  // namespace infe
