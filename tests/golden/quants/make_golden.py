#!/usr/bin/env python3
"""Writes <type>.blocks and <type>.f32: random GGUF blocks and what the `gguf` package makes of them.

Run in this folder with gguf and numpy installed: python3 make_golden.py
The blocks are random bytes but for their f16 scales, which are finite; 512 values a type.
"""
import numpy as np
from gguf import GGMLQuantizationType as Q
from gguf.quants import dequantize

VALUES = 512
# type: (values in a block, bytes in a block, byte offsets of f16 scales)
TYPES = {
    "F32": (1, 4, None), "F16": (1, 2, None), "BF16": (1, 2, None),
    "Q8_0": (32, 34, [0]), "Q4_0": (32, 18, [0]), "Q4_1": (32, 20, [0, 2]),
    "Q5_0": (32, 22, [0]), "Q5_1": (32, 24, [0, 2]),
    "Q4_K": (256, 144, [0, 2]), "Q5_K": (256, 176, [0, 2]), "Q6_K": (256, 210, [208]),
    "MXFP4": (32, 17, []), "IQ4_NL": (32, 18, [0]), "IQ4_XS": (256, 136, [0]),
}


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
            for at in scales:
                d = rng.standard_normal(blocks).astype(np.float16)
                d[0] = np.float16(6e-8)  # a subnormal
                data[:, at:at + 2] = d.view(np.uint8).reshape(blocks, 2)
            data = data.reshape(1, -1)
        out = dequantize(data, Q[name]).astype(np.float32)
        assert out.size == VALUES
        data.tofile(f"{name}.blocks")
        out.tofile(f"{name}.f32")


if __name__ == "__main__":
    main()
