"""A training step of PyTorch and of torchao's quantization-aware training, on the workload of
`gyro bench train`: a Llama with vocabulary 4096, hidden 512, 8 layers, 8 heads, feed-forward 1376;
batches of 8 × 256 tokens; AdamW.

usage: python train_torch.py [float32] [bfloat16] [w8a8] [w4a8] [--steps N]
needs: torch (CPU), torchao for w8a8 and w4a8. Prints one line per name: median tokens/s and peak memory.
"""
import resource, statistics, sys, time
import torch, torch.nn as nn, torch.nn.functional as F

VOCABULARY, WIDTH, LAYERS, HEADS, INNER, BATCH, LENGTH = 4096, 512, 8, 8, 1376, 8, 256


class Norm(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(WIDTH))

    def forward(self, x):
        return F.rms_norm(x, (WIDTH,), self.weight, 1e-5)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        linear = lambda i, o: nn.Linear(i, o, bias=False)
        self.norm1, self.norm2 = Norm(), Norm()
        self.q, self.k, self.v, self.o = (linear(WIDTH, WIDTH) for _ in range(4))
        self.gate, self.up, self.down = linear(WIDTH, INNER), linear(WIDTH, INNER), linear(INNER, WIDTH)

    def forward(self, x, cos, sin):
        def heads(y):
            return y.view(BATCH, LENGTH, HEADS, -1).transpose(1, 2)

        def rotated(y):
            half = y.shape[-1] // 2
            return y * cos + torch.cat((-y[..., half:], y[..., :half]), -1) * sin

        y = self.norm1(x)
        q, k, v = rotated(heads(self.q(y))), rotated(heads(self.k(y))), heads(self.v(y))
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(BATCH, LENGTH, WIDTH)
        x = x + self.o(a)
        y = self.norm2(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Llama(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.norm = nn.Embedding(VOCABULARY, WIDTH), Norm()
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.head = nn.Linear(WIDTH, VOCABULARY, bias=False)
        size = WIDTH // HEADS
        angle = torch.outer(torch.arange(LENGTH), 10000.0 ** (-torch.arange(0, size, 2) / size))
        angle = torch.cat((angle, angle), -1)
        self.register_buffer("cos", angle.cos())
        self.register_buffer("sin", angle.sin())

    def forward(self, ids):
        h = self.embedding(ids)
        for block in self.blocks:
            h = block(h, self.cos, self.sin)
        return self.head(self.norm(h))


def measure(name, steps):
    torch.manual_seed(0)
    model = Llama()
    if name in ("w8a8", "w4a8"):
        from torchao.quantization import quantize_
        from torchao.quantization.qat import IntxFakeQuantizeConfig, QATConfig

        token = IntxFakeQuantizeConfig(torch.int8, "per_token", is_symmetric=False)
        weight = (
            IntxFakeQuantizeConfig(torch.int8, "per_channel")
            if name == "w8a8"
            else IntxFakeQuantizeConfig(torch.int4, group_size=32)
        )
        quantize_(model, QATConfig(activation_config=token, weight_config=weight, step="prepare"))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    ids, targets = (torch.randint(0, VOCABULARY, (BATCH, LENGTH)) for _ in range(2))
    times = []
    for step in range(steps + 1):
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=name == "bfloat16"):
            loss = F.cross_entropy(model(ids).float().view(-1, VOCABULARY), targets.view(-1))
        loss.backward()
        optimizer.step()
        if step:
            times.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{name:10s} {BATCH * LENGTH / statistics.median(times):6.0f} tokens/s  {peak:6.0f} MiB peak", flush=True)


words = sys.argv[1:]
steps = int(words[words.index("--steps") + 1]) if "--steps" in words else 5
names = ("float32", "bfloat16", "w8a8", "w4a8")
for name in names:
    if name in words or not any(w in names for w in words):
        measure(name, steps)
