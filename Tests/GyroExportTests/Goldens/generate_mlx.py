"""Golden vectors of MLX's own quantizer: mlx.json.

usage: python generate_mlx.py OUTPUT_DIRECTORY      (made with mlx 0.32.4)

One weight [4, 128] (normal; ties on a coarse grid; mixed sizes; zeros and tiny) quantized by
mx.quantize in every mode, with what mx.dequantize makes of it. Numbers are float32 values, "hex"
strings little-endian bytes in file order.
"""
import json, os, sys
import numpy as np
import mlx.core as mx

mx.set_default_device(mx.cpu)
rng = np.random.default_rng(42)
a = rng.standard_normal((4, 128)).astype(np.float32)
a[1] = (np.arange(128) % 17 - 8) * 0.125
a[1, 0] = -1.0
a[2] = (a[2] * np.exp(rng.uniform(-6, 2, 128))).astype(np.float32)
a[2, 5] = -abs(a[2]).max() * np.float32(1.5)
a[3] = 0
a[3, 64:] = rng.uniform(-1, 1, 64).astype(np.float32) * np.float32(1e-4)
flat = lambda x: [float(v) for v in np.asarray(x, dtype=np.float32).reshape(-1)]
hexed = lambda x: np.ascontiguousarray(np.array(x)).tobytes().hex()
w = mx.array(a)
golden = {"shape": [4, 128], "weight": flat(a), "kinds": []}
for mode, bits, groups in [("affine", b, (32, 64)) for b in (2, 3, 4, 5, 6, 8)] + [("mxfp4", 4, (32,)), ("mxfp8", 8, (32,)), ("nvfp4", 4, (16,))]:
    for group in groups:
        r = mx.quantize(w, group_size=group, bits=bits, mode=mode)
        d = mx.dequantize(*r, group_size=group, bits=bits, mode=mode).astype(mx.float32)
        e = {"mode": mode, "bits": bits, "group_size": group, "weight_shape": list(r[0].shape), "weight_hex": hexed(r[0]),
             "scales_hex": hexed(r[1]), "dequantized": flat(np.array(d))}
        if len(r) > 2:
            e["biases_hex"] = hexed(r[2])
        golden["kinds"].append(e)
with open(os.path.join(sys.argv[1], "mlx.json"), "w") as f:
    f.write(json.dumps(golden, separators=(",", ":")) + "\n")
