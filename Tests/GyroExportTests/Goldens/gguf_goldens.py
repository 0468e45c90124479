"""Writes gguf.json: blocks of every ggml type that GyroExport reads, and their values.

Bytes of the plain types come from the quantizers of the `gguf` package (0.19.0), those of the K
types and NVFP4 are random, with half-precision scales of ordinary size; values are what
`gguf.quants.dequantize` makes of them, as the bytes of Float32 numbers.

usage: python gguf_goldens.py > gguf.json
"""
import json

import gguf
import numpy as np
from gguf import GGMLQuantizationType as T

rng = np.random.default_rng(7)


def halves(blocks, count):
    return rng.uniform(0.01, 0.1, (blocks, count)).astype(np.float16).view(np.uint8)


def random(kind, blocks=2):
    size, width = gguf.GGML_QUANT_SIZES[kind]
    data = rng.integers(0, 256, (blocks, width), dtype=np.uint8)
    if kind in (T.Q4_K, T.Q5_K):
        data[:, :4] = halves(blocks, 2)
    elif kind == T.Q6_K:
        data[:, -2:] = halves(blocks, 1)
    elif kind == T.NVFP4:
        data[:, :4] = rng.integers(1, 0x7f, (blocks, 4), dtype=np.uint8)
    return data


out = {}
for kind in (T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.Q8_0, T.MXFP4, T.TQ1_0, T.TQ2_0):
    columns = max(64, gguf.GGML_QUANT_SIZES[kind][0])
    x = rng.normal(size=(2, columns)).astype(np.float32)
    if kind in (T.TQ1_0, T.TQ2_0):
        x = np.sign(x) * (np.abs(x) > 0.5) * np.float32(0.375)
    out[kind] = gguf.quants.quantize(x, kind)
for kind in (T.Q4_K, T.Q5_K, T.Q6_K, T.NVFP4):
    out[kind] = random(kind)
print(json.dumps({
    kind.name: {
        "type": int(kind), "block": list(gguf.GGML_QUANT_SIZES[kind]), "bytes": data.tobytes().hex(),
        "values": gguf.quants.dequantize(data, kind).astype("<f4").tobytes().hex(),
    } for kind, data in out.items()
}, indent=1))
