#!/usr/bin/env python3
"""Writes <type>.blocks and <type>.f32: random GGUF blocks and what the `gguf` package makes of them.

Run in this folder with gguf and numpy installed: python3 make_golden.py
The blocks are random bytes but for their f16 scales, which are finite; 512 values a type.
"""
import numpy as np
from gguf import GGMLQuantizationType as Q
from gguf.quants import dequantize, quantize

VALUES = 512
# type: (values in a block, bytes in a block, byte offsets of f16 scales)
TYPES = {
    "F32": (1, 4, None), "F16": (1, 2, None), "BF16": (1, 2, None),
    "Q8_0": (32, 34, [0]), "Q4_0": (32, 18, [0]), "Q4_1": (32, 20, [0, 2]),
    "Q5_0": (32, 22, [0]), "Q5_1": (32, 24, [0, 2]),
    "Q4_K": (256, 144, [0, 2]), "Q5_K": (256, 176, [0, 2]), "Q6_K": (256, 210, [208]),
    "MXFP4": (32, 17, []), "IQ4_NL": (32, 18, [0]), "IQ4_XS": (256, 136, [0]),
    "Q3_K": (256, 110, [108]), "Q2_K": (256, 84, [80, 82]),
    "IQ3_S": (256, 110, [0]), "IQ3_XXS": (256, 98, [0]), "IQ2_S": (256, 82, [0]),
    "IQ2_XS": (256, 74, [0]), "IQ2_XXS": (256, 66, [0]),
    "TQ2_0": (256, 66, [64]), "TQ1_0": (256, 54, [52]), "Q1_0": (128, 18, [0]), "Q2_0": (64, 18, [0]),
    "NVFP4": (64, 36, []),
}

# Unknown to the package: bits 0 and 1 are -1 and 1; pairs of bits are -1, 0, 1 and 2.
BITS = {"Q1_0": (1, np.array([-1, 1], np.float32)), "Q2_0": (2, np.arange(-1, 3, dtype=np.float32))}


def of_bits(data, name):
    bits, levels = BITS[name]
    blocks = data.reshape(-1, 18)
    d = blocks[:, :2].copy().view(np.float16).astype(np.float32)
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    codes = (blocks[:, 2:, None] >> shifts) & (2**bits - 1)
    return d * levels[codes.reshape(len(blocks), -1)]


def main():
    rng = np.random.default_rng(20240607)
    for name, (values, size, scales) in TYPES.items():
        blocks = VALUES // values
        if scales is None:
            raw = rng.standard_normal(VALUES).astype(np.float32)
            raw[:4] = [0.0, -0.0, 1e-7, -65504.0]
            if name == "F16":
                raw = raw.astype(np.float16)
            if name == "BF16":
                raw = (raw.view(np.uint32) >> 16).astype(np.uint16)
            data = raw.view(np.uint8).reshape(1, -1)
        else:
            data = rng.integers(0, 256, (blocks, size), dtype=np.uint8)
            if name == "TQ1_0":  # not every byte is written: five digits have one of 243
                ternary = rng.integers(-1, 2, (1, VALUES)).astype(np.float32)
                data = quantize(ternary, Q[name]).reshape(blocks, size)
            for at in scales:
                d = rng.standard_normal(blocks).astype(np.float16)
                d[0] = np.float16(6e-8)  # a subnormal
                data[:, at:at + 2] = d.view(np.uint8).reshape(blocks, 2)
            data = data.reshape(1, -1)
        out = of_bits(data, name) if name in BITS else dequantize(data, Q[name]).astype(np.float32)
        assert out.size == VALUES
        data.tofile(f"{name}.blocks")
        out.tofile(f"{name}.f32")


if __name__ == "__main__":
    main()
