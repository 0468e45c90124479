"""Goldens of small Llama-family models: loss, logits and every gradient, in float64 by PyTorch.

usage: python generate_llama.py OUTPUT_DIRECTORY      (needs torch, safetensors)

Each directory holds config.json, model.safetensors (float32 weights) and expected.safetensors:
token ids, targets, loss, logits and `gradient.<parameter>`, computed in float64 from the float32
weights and stored as float64.
"""
import json, math, os, sys
import torch, torch.nn.functional as F
from safetensors.torch import save_file

torch.set_default_dtype(torch.float64)


def rope_frequencies(c):
    d = c["head_dim"]
    f = 1.0 / c["rope_theta"] ** (torch.arange(0, d, 2) / d)
    s = c.get("rope_scaling")
    if s and s["rope_type"] == "llama3":
        low, high, orig, factor = (s[k] for k in ("low_freq_factor", "high_freq_factor", "original_max_position_embeddings", "factor"))
        out = []
        for x in f.tolist():
            w = 2 * math.pi / x
            if w < orig / high:
                out.append(x)
            elif w > orig / low:
                out.append(x / factor)
            else:
                t = (orig / w - low) / (high - low)
                out.append((1 - t) * x / factor + t * x)
        f = torch.tensor(out)
    return f


def norm(x, w, eps):
    return x / torch.sqrt((x * x).mean(-1, keepdim=True) + eps) * w


def forward(c, p, ids):
    b, t = ids.shape
    nh, nkv, hd, eps = c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"], c["rms_norm_eps"]
    angle = torch.outer(torch.arange(t, dtype=torch.float64), rope_frequencies(c))
    cos, sin = torch.cat((angle, angle), -1).cos(), torch.cat((angle, angle), -1).sin()
    rotate = lambda z: z * cos + torch.cat((-z[..., hd // 2:], z[..., : hd // 2]), -1) * sin
    h = p["model.embed_tokens.weight"][ids]
    for i in range(c["num_hidden_layers"]):
        n = f"model.layers.{i}."
        lin = lambda x, name: F.linear(x, p[n + name + ".weight"], p.get(n + name + ".bias"))
        y = norm(h, p[n + "input_layernorm.weight"], eps)
        q = lin(y, "self_attn.q_proj").view(b, t, nh, hd)
        k = lin(y, "self_attn.k_proj").view(b, t, nkv, hd)
        v = lin(y, "self_attn.v_proj").view(b, t, nkv, hd).transpose(1, 2)
        if n + "self_attn.q_norm.weight" in p:
            q, k = norm(q, p[n + "self_attn.q_norm.weight"], eps), norm(k, p[n + "self_attn.k_norm.weight"], eps)
        q, k = rotate(q.transpose(1, 2)), rotate(k.transpose(1, 2))
        k, v = k.repeat_interleave(nh // nkv, 1), v.repeat_interleave(nh // nkv, 1)
        s = q @ k.transpose(-1, -2) / math.sqrt(hd)
        s = s.masked_fill(torch.ones(t, t, dtype=torch.bool).triu(1), -math.inf)
        a = (s.softmax(-1) @ v).transpose(1, 2).reshape(b, t, nh * hd)
        h = h + lin(a, "self_attn.o_proj")
        y = norm(h, p[n + "post_attention_layernorm.weight"], eps)
        h = h + lin(F.silu(lin(y, "mlp.gate_proj")) * lin(y, "mlp.up_proj"), "mlp.down_proj")
    h = norm(h, p["model.norm.weight"], eps)
    return F.linear(h, p.get("lm_head.weight", p["model.embed_tokens.weight"]))


def make(out, name, c, bias, seed):
    g = torch.Generator().manual_seed(seed)
    H, I, hd = c["hidden_size"], c["intermediate_size"], c["head_dim"]
    q, kv, V = c["num_attention_heads"] * hd, c["num_key_value_heads"] * hd, c["vocab_size"]
    shapes = {"model.embed_tokens.weight": (V, H)}
    for i in range(c["num_hidden_layers"]):
        n = f"model.layers.{i}."
        shapes |= {n + "input_layernorm.weight": (H,), n + "self_attn.q_proj.weight": (q, H), n + "self_attn.k_proj.weight": (kv, H),
                   n + "self_attn.v_proj.weight": (kv, H), n + "self_attn.o_proj.weight": (H, q)}
        if bias:
            shapes |= {n + "self_attn.q_proj.bias": (q,), n + "self_attn.k_proj.bias": (kv,), n + "self_attn.v_proj.bias": (kv,)}
        if c["model_type"] == "qwen3":
            shapes |= {n + "self_attn.q_norm.weight": (hd,), n + "self_attn.k_norm.weight": (hd,)}
        shapes |= {n + "post_attention_layernorm.weight": (H,), n + "mlp.gate_proj.weight": (I, H), n + "mlp.up_proj.weight": (I, H),
                   n + "mlp.down_proj.weight": (H, I)}
    shapes["model.norm.weight"] = (H,)
    if not c["tie_word_embeddings"]:
        shapes["lm_head.weight"] = (V, H)
    p = {}
    for key, shape in shapes.items():
        x = torch.randn(shape, generator=g) * (0.2 if len(shape) > 1 or "bias" in key else 0.1) + (1.0 if "norm" in key else 0.0)
        p[key] = x.float().double().requires_grad_()
    ids = torch.randint(0, V, (2, 11), generator=g)
    targets = torch.randint(0, V, (2, 11), generator=g)
    logits = forward(c, p, ids)
    loss = F.cross_entropy(logits.reshape(-1, V), targets.reshape(-1))
    loss.backward()
    where = os.path.join(out, name)
    os.makedirs(where, exist_ok=True)
    json.dump(c, open(os.path.join(where, "config.json"), "w"), indent=1)
    save_file({k: v.detach().float().contiguous() for k, v in p.items()}, os.path.join(where, "model.safetensors"), {"format": "pt"})
    save_file({"token_ids": ids.int(), "targets": targets.int(), "loss": loss.detach().reshape(1), "logits": logits.detach().contiguous()}
              | {"gradient." + k: v.grad.contiguous() for k, v in p.items()}, os.path.join(where, "expected.safetensors"))
    print(name, float(loss), sum(v.numel() for v in p.values()))


base = {"vocab_size": 47, "hidden_size": 24, "intermediate_size": 36, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "head_dim": 6, "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu", "tie_word_embeddings": False}
out = sys.argv[1]
make(out, "llama", base | {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "rope_scaling": {
    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}}, False, 1)
make(out, "qwen2", base | {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "rope_theta": 1e6, "num_key_value_heads": 4}, True, 2)
make(out, "qwen3", base | {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "head_dim": 10, "num_key_value_heads": 1,
                           "tie_word_embeddings": True}, False, 3)
