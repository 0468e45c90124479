"""Writes compressed_tensors_activations.json: what the library compressed-tensors (0.20.0, torch
2.13.0) makes of activations that it quantizes by the batch.

usage: python compressed_tensors_activations.py

Input and results are [6, 64] Float32, as hexadecimal bytes, little-endian.
"""
import json
from pathlib import Path

import torch
from compressed_tensors.quantization.lifecycle.forward import fake_quantize
from compressed_tensors.quantization.quant_args import QuantizationArgs
from compressed_tensors.quantization.utils import compute_dynamic_scales_and_zp

CASES = {
    "int8 token": {"num_bits": 8, "type": "int", "strategy": "token"},
    "int4 token": {"num_bits": 4, "type": "int", "strategy": "token"},
    "int8 tensor": {"num_bits": 8, "type": "int", "strategy": "tensor"},
    "int8 group-16": {"num_bits": 8, "type": "int", "strategy": "group", "group_size": 16},
    "int8 token asymmetric": {"num_bits": 8, "type": "int", "strategy": "token", "symmetric": False},
    "int4 token asymmetric": {"num_bits": 4, "type": "int", "strategy": "token", "symmetric": False},
    "e4m3 token": {"num_bits": 8, "type": "float", "strategy": "token"},
    "e4m3 tensor": {"num_bits": 8, "type": "float", "strategy": "tensor"},
    "e4m3 group-32": {"num_bits": 8, "type": "float", "strategy": "group", "group_size": 32},
}


def hexadecimal(tensor):
    return tensor.contiguous().numpy().tobytes().hex()


def main():
    torch.manual_seed(6)
    x = torch.randn(1, 6, 64) * torch.tensor([1e-3, 0.1, 1.0, 3.0, 50.0, 0.7]).reshape(1, 6, 1)
    x[0, 2, 5] = -9.0  # the largest magnitude of a row, negative
    x[0, 3, 7] = 31.0  # and positive
    x[0, 5] = x[0, 5].abs()  # no negative number
    result = {"shape": [6, 64], "input": hexadecimal(x[0]), "cases": {}}
    for name, keys in CASES.items():
        args = QuantizationArgs(dynamic=True, **keys)
        scale, zero = compute_dynamic_scales_and_zp(x, args, None)
        result["cases"][name] = hexadecimal(fake_quantize(x, scale, zero, args)[0])
    text = json.dumps(result, indent=1) + "\n"
    (Path(__file__).parent / "compressed_tensors_activations.json").write_text(text)


main()
