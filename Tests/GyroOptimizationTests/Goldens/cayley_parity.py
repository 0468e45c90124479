"""The trajectory of the published optimizer for rotations (SGDG), from its formulas: numpy in float64,
torch in float32. Writes cayley_parity.json beside this file.

    python cayley_parity.py

A step for X [p, n], p <= n, with the gradient G of the loss and the rate r:
  1. every row is divided by its 2-norm + 1e-8
  2. in the steps listed under "factorized" (probability 1/101 in the original), X becomes the
     transposed Q of the QR factorization of X^T, signs chosen so that R has a positive diagonal
  3. V = -G^T                              (momentum is projected into a temporary and lost)
  4. What = V X - 1/2 X^T (X V X),  W = What - What^T
  5. alpha = min(r, 1 / (max column sum of |W| + 1e-8))
  6. Y = X^T + alpha V, then five times Y = X^T + alpha W (X^T + Y) / 2;  X = Y^T
The loss is 1/2 |X A - B|^2, so the gradient (X A - B) A^T follows from the point. Rates are
1.5 (1 + cos(pi k / 20)) / 2. The start is a random matrix with orthonormal rows, disturbed.
"""

import json
import math
import pathlib

import numpy
import torch

STEPS = 20


def step_float64(x, gradient, rate, factorize):
    x = x / (numpy.sqrt((x * x).sum(axis=1, keepdims=True)) + 1e-8)
    if factorize:
        q, r = numpy.linalg.qr(x.T)
        x = (q * numpy.sign(numpy.diag(r))).T
    v = -gradient.T
    what = v @ x - 0.5 * x.T @ (x @ v @ x)
    w = what - what.T
    alpha = min(rate, 1 / (numpy.abs(w).sum(axis=0).max() + 1e-8))
    y = x.T + alpha * v
    for _ in range(5):
        y = x.T + alpha * w @ (0.5 * (x.T + y))
    return y.T


def step_float32(x, gradient, rate, factorize):
    x = x / (x.norm(dim=1, keepdim=True) + 1e-8)
    if factorize:
        q, r = torch.linalg.qr(x.T)
        x = (q * torch.sign(torch.diagonal(r))).T
    v = -gradient.T
    what = v @ x - 0.5 * x.T @ (x @ v @ x)
    w = what - what.T
    alpha = min(rate, 1 / (float(w.abs().sum(0).max()) + 1e-8))
    y = x.T + alpha * v
    for _ in range(5):
        y = x.T + alpha * w @ (0.5 * (x.T + y))
    return y.T


def numbers(array):
    return [float(numpy.float32(value)) for value in numpy.asarray(array).ravel()]


def case(name, p, n, factorized, seed):
    random = numpy.random.default_rng(seed)
    start = numpy.linalg.qr(random.standard_normal((n, n)))[0][:p]
    start = (start + 0.02 * random.standard_normal((p, n))).astype(numpy.float32)
    a = (random.standard_normal((n, n)) * (2 / n)).astype(numpy.float32)
    b = random.standard_normal((p, n)).astype(numpy.float32)
    wide, narrow = start.astype(numpy.float64), torch.tensor(start)
    a64, b64, a32, b32 = a.astype(float), b.astype(float), torch.tensor(a), torch.tensor(b)
    snapshots = {}
    for k in range(STEPS):
        rate = 1.5 * (1 + math.cos(math.pi * k / STEPS)) / 2
        wide = step_float64(wide, (wide @ a64 - b64) @ a64.T, rate, k in factorized)
        narrow = step_float32(narrow, (narrow @ a32 - b32) @ a32.T, rate, k in factorized)
        if k + 1 in (1, 5, 10, 20):
            snapshots[str(k + 1)] = numbers(wide)
    difference = float(numpy.abs(wide - narrow.numpy()).max())
    print(name, "float64 and float32 differ by", difference,
          "; rows departed by", float(numpy.abs(wide @ wide.T - numpy.eye(p)).max()))
    assert difference < 1e-5
    return {
        "name": name, "rows": p, "columns": n, "factorized": factorized,
        "start": numbers(start), "a": numbers(a), "b": numbers(b),
        "float64": snapshots, "float32": numbers(narrow.numpy()),
    }


cases = [
    case("square8", 8, 8, [6], 1),
    case("square16", 16, 16, [11], 2),
    case("wide4x12", 4, 12, [3], 3),
    case("undisturbed8", 8, 8, [], 4),
]
path = pathlib.Path(__file__).with_name("cayley_parity.json")
path.write_text(json.dumps({"steps": STEPS, "rate": 1.5, "cases": cases}) + "\n")
