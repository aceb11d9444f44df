// The tile unit (AMX-INT8): its configuration and the five instructions that the products use, with
// the tile's number known at compile time. In assembler, so that the file needs no flags of its
// own, and because g++ 12 drops stores to a configuration as dead. The tests' emulation computes
// the same integers in plain C++. Included by avx512/*.cc only.
#pragma once

#include "kernels/avx512/panel_codes.h"

namespace infe::kernels::INFE_AVX512_NAMESPACE {
namespace {

// Rows of a group of activations: what a tile holds.
constexpr uint32_t kGroupRows = 16;

// Tiles 0..3 hold sums [16 rows][16 outputs] of s32, tiles 4 and 5 activations [16 rows][columns]
// of s8, tiles 6 and 7 codes [columns / 4][16 outputs][4] of s8: one step of a panel a tile row.
constexpr int kSumTiles = 4;
constexpr int kRowTiles = 2;
constexpr int kTiles = 8;

#ifdef INFE_EMULATE_AVX512

struct EmulatedTile {
  int32_t sums[16][16];
  int8_t bytes[16][64];
};
inline EmulatedTile g_tiles[kTiles];  // the tests run one at a time
inline uint32_t g_columns;

inline void ConfigureTiles(uint32_t columns) {
  g_columns = columns;
}
inline void ReleaseTiles() {}
template <int tile>
inline void LoadTile(const void* from, size_t stride) {
  const bool is_rows = tile < kSumTiles + kRowTiles;
  for (uint32_t r = 0; r < (is_rows ? kGroupRows : g_columns / 4); ++r)
    __builtin_memcpy(g_tiles[tile].bytes[r], static_cast<const char*>(from) + r * stride,
                     is_rows ? g_columns : 64);
}
template <int tile>
inline void ClearTile() {
  g_tiles[tile] = {};
}
template <int sums, int rows, int codes>
inline void AddTileProducts() {
  for (uint32_t r = 0; r < kGroupRows; ++r)
    for (uint32_t n = 0; n < 16; ++n)
      for (uint32_t k = 0; k < g_columns; ++k)
        g_tiles[sums].sums[r][n] +=
            g_tiles[rows].bytes[r][k] * g_tiles[codes].bytes[k / 4][4 * n + k % 4];
}
template <int tile>
inline void StoreTile(int32_t (*to)[16]) {
  __builtin_memcpy(to, g_tiles[tile].sums, sizeof g_tiles[tile].sums);
}

#else

struct alignas(64) TileConfiguration {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

// Tiles for products over `columns` columns (16 or 32), on this thread.
inline void ConfigureTiles(uint32_t columns) {
  TileConfiguration c;
  for (int tile = 0; tile < kTiles; ++tile) {
    const bool is_rows = tile >= kSumTiles && tile < kSumTiles + kRowTiles;
    c.rows[tile] = static_cast<uint8_t>(tile < kSumTiles + kRowTiles ? kGroupRows : columns / 4);
    c.row_bytes[tile] = static_cast<uint16_t>(is_rows ? columns : 64);
  }
  asm volatile("ldtilecfg %0" : : "m"(c) : "memory");
}
// Tiles in use are state that every switch of threads saves.
inline void ReleaseTiles() {
  asm volatile("tilerelease");
}
template <int tile>
inline void LoadTile(const void* from, size_t stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(stride), "i"(tile) : "memory");
}
template <int tile>
inline void ClearTile() {
  asm volatile("tilezero %%tmm%c0" : : "i"(tile));
}
template <int sums, int rows, int codes>
inline void AddTileProducts() {
  asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(sums), "i"(rows), "i"(codes));
}
template <int tile>
inline void StoreTile(int32_t (*to)[16]) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(size_t{64}), "i"(tile) : "memory");
}

#endif

}  // namespace
}  // namespace infe::kernels::INFE_AVX512_NAMESPACE
