"""Makes formats.json: codes of small floats by ml_dtypes, whole numbers by PyTorch.

    pip install ml_dtypes torch numpy
    python generate_formats.py

Inputs are made alike on both sides:
- `bfloat16`: all 65536 bit patterns, in order (NaN replaced by 0 for formats without NaN);
- `random`: 2^20 floats of a 64-bit linear congruential generator
  (state = state * 6364136223846793005 + 1442695040888963407, starting from state 1, the first
  number taken after one step): of the upper 32 bits of the state, the top one is the sign, the next
  six e give the exponent e - 32, the last 23 the fraction (two are skipped).
A stream of codes is recorded as FNV-1a (32 bits) of each run of 4096 codes, eight hexadecimal
digits each, so that a difference is found to be in one run.
- `saturating` clamps to the largest number first; `plain` does what ml_dtypes does.
"""

import json
import pathlib

import ml_dtypes
import numpy as np
import torch

FORMATS = {
    "e4m3": ml_dtypes.float8_e4m3fn,
    "e5m2": ml_dtypes.float8_e5m2,
    "e4m3-ieee": ml_dtypes.float8_e4m3,
    "e3m4-ieee": ml_dtypes.float8_e3m4,
    "e2m1": ml_dtypes.float4_e2m1fn,
    "e2m3": ml_dtypes.float6_e2m3fn,
    "e3m2": ml_dtypes.float6_e3m2fn,
}
WITHOUT_NAN = {"e2m1", "e2m3", "e3m2"}


def checksums(codes):
    runs = codes.reshape(-1, 4096).astype(np.uint64)
    state = np.full(len(runs), 0x811C9DC5, np.uint64)
    for column in runs.T:
        state = ((state ^ column) * np.uint64(0x01000193)) & np.uint64(0xFFFFFFFF)
    return "".join(f"{value:08x}" for value in state)


def random_floats(count):
    state, words = 1, np.empty(count, np.uint32)
    for place in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        words[place] = state >> 32
    bits = (words & 0x80000000) | (((words >> 25 & 63) + 127 - 32) << 23) | (words & 0x7FFFFF)
    return bits.astype(np.uint32).view(np.float32)


def main():
    bfloat16 = (np.arange(65536, dtype=np.uint32) << 16).view(np.float32)
    inputs = {"bfloat16": bfloat16, "random": random_floats(1 << 20)}
    floats = {}
    for name, kind in FORMATS.items():
        largest = np.float32(ml_dtypes.finfo(kind).max)
        entry = {"largest": float(largest)}
        codes = np.arange(2 ** (ml_dtypes.finfo(kind).bits), dtype=np.uint8).view(kind)
        entry["values"] = [f"{v:08x}" for v in codes.astype(np.float32).view(np.uint32)]
        for label, x in inputs.items():
            if name in WITHOUT_NAN:
                x = np.where(np.isnan(x), np.float32(0), x)
            with np.errstate(all="ignore"):
                clamped = np.clip(x, -largest, largest)
                entry[label] = {
                    "plain": checksums(x.astype(kind).view(np.uint8)),
                    "saturating": checksums(clamped.astype(kind).view(np.uint8)),
                }
        floats[name] = entry

    # The floor rule of OCP Microscaling: the code of the greatest power of two not above the value.
    positive = bfloat16[:0x7F80].copy()
    positive[0] = 1
    exponent = np.clip(np.frexp(positive)[1] - 1, -127, 127)
    powers = np.ldexp(np.float64(1), exponent).astype(np.float32)
    e8m0 = powers.astype(ml_dtypes.float8_e8m0fnu).view(np.uint8)
    padded = np.concatenate([e8m0, np.zeros(0x8000 - len(e8m0), np.uint8)])

    # PyTorch multiplies by the reciprocal of the scale, which equals division for powers of two.
    x = random_floats(4096) * np.float32(2**-10)
    whole = []
    for bits in range(2, 9):
        for scale, zero in [(2.0**-4, 0), (2.0**-1, 0), (2.0**-6, (1 << bits) // 3)]:
            low = -(1 << bits - 1) if zero == 0 else 0
            y = torch.fake_quantize_per_tensor_affine(
                torch.tensor(x), scale, zero, low, low + (1 << bits) - 1).numpy()
            codes = (np.rint(y / scale) + zero).astype(np.int64)
            whole.append(
                {
                    "bits": bits, "scale": scale, "zero": zero,
                    "first": codes[:64].tolist(),
                    "all": checksums((codes & 0xFF).astype(np.uint8)),
                }
            )
    rows = torch.tensor(x.reshape(8, 512))
    scales = torch.tensor([2.0**-e for e in range(8)])
    y = torch.fake_quantize_per_channel_affine(
        rows, scales, torch.zeros(8, dtype=torch.int32), 0, -128, 127)
    channels = np.rint((y / scales[:, None]).numpy()).astype(np.int64)
    result = {
        "floats": floats, "e8m0_floor": checksums(padded), "whole": whole,
        "channels": {
            "first": channels[:, :16].tolist(),
            "all": checksums((channels & 0xFF).astype(np.uint8).reshape(-1)),
        },
    }
    path = pathlib.Path(__file__).with_name("formats.json")
    path.write_text(json.dumps(result, separators=(",", ":")) + "\n")


main()
