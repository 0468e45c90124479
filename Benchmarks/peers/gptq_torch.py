"""GPTQ's reference formulas (2210.17323, section 3.3) in PyTorch, timed on one layer.

The work of `gyro bench gptq`: the Hessian of the calibration inputs as a running mean over batches of
2048 rows, Cholesky factor of its inverse, and the column loop in lazy blocks of 128, for a symmetric
INT4 weight per output channel. Prints one JSON object; times are medians in seconds.

    python gptq_torch.py --size 1024 --tokens 32768 --threads 2
"""

import argparse
import json
import statistics
import time

import torch


def hessian(inputs, rows):
    """H = 2 X^T X / n, accumulated batch by batch."""
    size = inputs.shape[1]
    total, seen = torch.zeros(size, size), 0
    for batch in inputs.split(rows):
        count = batch.shape[0]
        total *= seen / (seen + count)
        seen += count
        scaled = batch.t() * (2 / seen) ** 0.5
        total += scaled @ scaled.t()
    return total


def rounded(weight, total, bits=4, damping=0.01, block=128):
    """The rounded weight and the loss."""
    weight, total = weight.clone(), total.clone()
    largest = 2 ** (bits - 1) - 1
    scale = weight.abs().amax(dim=1) / largest
    diagonal = total.diagonal()
    dead = diagonal == 0
    diagonal[dead] = 1
    weight[:, dead] = 0
    diagonal += damping * diagonal.mean()
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(total))
    factor = torch.linalg.cholesky(inverse, upper=True)
    loss = 0.0
    columns = weight.shape[1]
    for first in range(0, columns, block):
        last = min(first + block, columns)
        part = weight[:, first:last].clone()
        errors = torch.zeros_like(part)
        corner = factor[first:last, first:last]
        for i in range(last - first):
            w, d = part[:, i], corner[i, i]
            q = torch.clamp(torch.round(w / scale), -largest - 1, largest) * scale
            e = (w - q) / d
            part[:, i:] -= e.unsqueeze(1) @ corner[i, i:].unsqueeze(0)
            part[:, i] = q
            errors[:, i] = e
        weight[:, first:last] = part
        loss += float((errors**2).sum()) / 2
        weight[:, last:] -= errors @ factor[first:last, last:]
    return weight, loss


def median(work, repetitions):
    work()
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--tokens", type=int, default=32768)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    with torch.no_grad():
        inputs = torch.randn(arguments.tokens, arguments.size)
        weight = 0.02 * torch.randn(arguments.size, arguments.size)
        in_batches = median(lambda: hessian(inputs, 2048), arguments.repetitions)
        at_once = median(lambda: 2 / arguments.tokens * (inputs.t() @ inputs), arguments.repetitions)
        total = hessian(inputs, 2048)
        solve = median(lambda: rounded(weight, total), arguments.repetitions)
    print(
        json.dumps(
            {
                "torch": torch.__version__,
                "threads": arguments.threads,
                "size": arguments.size,
                "tokens": arguments.tokens,
                "hessian": in_batches,
                "hessian_in_one_product": at_once,
                "rounding": solve,
                "layer": in_batches + solve,
            }
        )
    )


if __name__ == "__main__":
    main()
