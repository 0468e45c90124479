"""Attention of one new token over a quantized key/value cache in PyTorch, by writing the cache out.

The work of `gyro bench cache --heads 8`: the scores of one query against all keys and the weighted sum
of all values, one layer, batch 1. Codes are packed into bytes; keys have a scale and a minimum for each
channel and 32 tokens, values for each token and 32 channels (KIVI, 2402.02750). PyTorch has no product
of such codes on a CPU, so a step unpacks, scales, and multiplies Float32 matrices, which is what
Transformers' quantized caches do as well. 'float32' multiplies a cache that was never quantized. Prints
one JSON object; times are medians in microseconds.

    python cache_torch.py --lengths 4096 32768 --heads 8 --threads 2
"""

import argparse
import json
import statistics
import time

import torch

GROUP = 32


def packed(codes, bits):
    """Codes along the last axis, several to a byte, the first in the low bits."""
    per_byte = 8 // bits
    parts = codes.view(*codes.shape[:-1], -1, per_byte)
    result = torch.zeros(parts.shape[:-1], dtype=torch.uint8)
    for place in range(per_byte):
        result |= parts[..., place] << (bits * place)
    return result


def unpacked(data, bits):
    shifts = torch.arange(0, 8, bits, dtype=torch.uint8)
    codes = (data.unsqueeze(-1) >> shifts) & (2**bits - 1)
    return codes.view(*data.shape[:-1], -1)


class Half:
    """Keys (`by_channel`) or values of all heads, [heads, tokens, size], as codes."""

    def __init__(self, x, bits, by_channel):
        self.bits, self.by_channel, self.shape = bits, by_channel, x.shape
        groups = self.grouped(x)
        axis = 2 if by_channel else 3
        low, high = groups.amin(axis, keepdim=True), groups.amax(axis, keepdim=True)
        scale = (high - low).clamp_min(1e-8) / (2**bits - 1)
        codes = torch.round((groups - low) / scale).to(torch.uint8).view(x.shape)
        self.codes = packed(codes, bits)
        self.scale, self.low = scale.half(), low.half()

    def grouped(self, x):
        heads, tokens, size = self.shape
        if self.by_channel:
            return x.view(heads, tokens // GROUP, GROUP, size)
        return x.view(heads, tokens, size // GROUP, GROUP)

    def floats(self):
        codes = self.grouped(unpacked(self.codes, self.bits)).float()
        return torch.addcmul(self.low.float(), codes, self.scale.float()).view(self.shape)

    def bytes(self):
        return self.codes.numel() + 2 * (self.scale.numel() + self.low.numel())


def median(work, repetitions):
    work()
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1e6 * statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lengths", type=int, nargs="+", default=[4096, 32768])
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--head-size", type=int, default=128)
    parser.add_argument("--bits", type=int, nargs="+", default=[4, 2])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=9)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    figures = []
    with torch.no_grad():
        for length in arguments.lengths:
            shape = (arguments.heads, length, arguments.head_size)
            keys, values = torch.randn(shape), torch.randn(shape)
            query = torch.randn(arguments.heads, 1, arguments.head_size)
            weights = torch.softmax(torch.randn(arguments.heads, 1, length), dim=-1)

            def figure(name, size, get_keys, get_values):
                scores = median(
                    lambda: query @ get_keys().transpose(1, 2), arguments.repetitions)
                sums = median(lambda: weights @ get_values(), arguments.repetitions)
                figures.append(
                    {
                        "cache": name, "tokens": length, "bytes": size,
                        "scores_microseconds": scores, "values_microseconds": sums,
                        "step_microseconds": scores + sums,
                    })

            figure("float32", 8 * keys.numel(), lambda: keys, lambda: values)
            for bits in arguments.bits:
                k, v = Half(keys, bits, True), Half(values, bits, False)
                figure(f"int{bits}, written out", k.bytes() + v.bytes(), k.floats, v.floats)
    print(
        json.dumps(
            {
                "torch": torch.__version__, "threads": arguments.threads,
                "heads": arguments.heads, "head_size": arguments.head_size, "figures": figures,
            }))


if __name__ == "__main__":
    main()
