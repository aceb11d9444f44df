#include "kernels/table.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/cpu_features.h"
#include "kernels/generic/generic.h"
#include "kernels/isa_tables.h"

namespace infe::kernels {
namespace {

const KernelTable& Select() {
  constexpr Isa kBestFirst[] = {Isa::kAmx, Isa::kAvx512Vnni, Isa::kAvx2, Isa::kGeneric};
  if (const char* wanted = std::getenv("INFE_ISA"); wanted != nullptr && *wanted != '\0') {
    for (const Isa isa : kBestFirst)
      if (Name(isa) == wanted)
        if (const KernelTable* table = FindKernels(isa)) return *table;
    std::fprintf(stderr,
                 "INFE_ISA=%s is not one of generic, avx2, avx512, amx that this CPU can run\n",
                 wanted);
  }
  for (const Isa isa : kBestFirst)
    if (const KernelTable* table = FindKernels(isa)) return *table;
  return generic::Table();
}

}  // namespace

std::string_view Name(Isa isa) {
  switch (isa) {
    case Isa::kGeneric:
      return "generic";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512Vnni:
      return "avx512";
    case Isa::kAmx:
      return "amx";
  }
  return "";
}

const KernelTable& SelectKernels() {
  static const KernelTable& selected = Select();
  return selected;
}

const KernelTable* FindKernels(Isa isa) {
  switch (isa) {
    case Isa::kGeneric:
      return &generic::Table();
    case Isa::kAvx2:
      return GetCpuFeatures().avx2 ? &Avx2Table() : nullptr;
    case Isa::kAvx512Vnni:
      return GetCpuFeatures().avx512_vnni ? &Avx512VnniTable() : nullptr;
    case Isa::kAmx:
      return GetCpuFeatures().amx_int8 ? &AmxTable() : nullptr;
  }
  return nullptr;
}

}  // namespace infe::kernels
