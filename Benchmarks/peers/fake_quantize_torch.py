"""Fake quantization of a 4096 x 4096 matrix in PyTorch and torchao, forward and backward.

needs: torch (CPU), torchao. Prints the median nanoseconds per element of each.
"""
import statistics
import time

import torch
from torchao.quantization.qat import IntxFakeQuantizeConfig, IntxFakeQuantizer

SIZE = 4096
matrix = torch.randn(SIZE, SIZE, requires_grad=True)
cotangent = torch.randn(SIZE, SIZE)


def measure(name, quantize, runs=9):
    times = []
    for run in range(runs):
        matrix.grad = None
        start = time.perf_counter()
        quantize(matrix).backward(cotangent)
        if run > 1:
            times.append(time.perf_counter() - start)
    print(f"{name:36s} {statistics.median(times) / matrix.numel() * 1e9:6.2f} ns", flush=True)


scale, zero = torch.tensor(0.02), torch.zeros((), dtype=torch.int32)
scales, zeros = torch.full((SIZE,), 0.02), torch.zeros(SIZE, dtype=torch.int32)
token = IntxFakeQuantizer(IntxFakeQuantizeConfig(torch.int8, "per_token", is_symmetric=False))
groups = IntxFakeQuantizer(IntxFakeQuantizeConfig(torch.int4, group_size=32))
measure(
    "PyTorch int8 per tensor",
    lambda x: torch.fake_quantize_per_tensor_affine(x, scale, zero, -128, 127),
)
measure(
    "PyTorch int8 per channel",
    lambda x: torch.fake_quantize_per_channel_affine(x, scales, zeros, 0, -128, 127),
)
measure("torchao int8 per token", token)
measure("torchao int4 in groups of 32", groups)
