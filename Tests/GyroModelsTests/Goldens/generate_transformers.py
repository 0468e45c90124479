"""Small randomly initialised models, saved by transformers itself, with the logits it computes.

usage: python generate_transformers.py OUTPUT_DIRECTORY      (made with transformers 5.23.0, torch 2.13.0)

Each directory is what `save_pretrained` writes (`config.json` with `rope_parameters` and `dtype`,
one file or shards with an index) and expected.safetensors: token ids, and logits computed in float32
from the stored weights.
"""
import os, shutil, sys
import torch
from safetensors.torch import save_file
from transformers import (AutoModelForCausalLM, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config)

base = dict(vocab_size=61, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
            max_position_embeddings=128, initializer_range=0.2, attn_implementation="eager")
rope = lambda theta, **more: {"rope_theta": theta, "rope_type": "default"} | more
models = {
    "llama2": (LlamaConfig(**base | dict(num_key_value_heads=4, rms_norm_eps=1e-5)), torch.float16, None),
    "llama3": (LlamaConfig(**base | dict(rms_norm_eps=1e-5, rope_parameters=rope(500000.0, rope_type="llama3", factor=8.0, low_freq_factor=1.0,
               high_freq_factor=4.0, original_max_position_embeddings=32))), torch.bfloat16, "12KB"),
    "llama3-tied": (LlamaConfig(**base | dict(tie_word_embeddings=True, rope_parameters=rope(500000.0, rope_type="llama3", factor=32.0,
               low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64))), torch.float32, "20KB"),
    "llama-biased": (LlamaConfig(**base | dict(attention_bias=True, mlp_bias=True, head_dim=6, rope_parameters=rope(10000.0, rope_type="linear",
               factor=2.0))), torch.float32, None),
    "mistral": (MistralConfig(**base | dict(head_dim=10, sliding_window=None, rope_parameters=rope(1e6))), torch.bfloat16, None),
    "qwen2": (Qwen2Config(**base | dict(tie_word_embeddings=True, rope_parameters=rope(1e6))), torch.bfloat16, None),
    "qwen3": (Qwen3Config(**base | dict(head_dim=12, num_key_value_heads=1, rope_parameters=rope(1e6))), torch.float16, "12KB"),
    "qwen3-tied": (Qwen3Config(**base | dict(head_dim=6, tie_word_embeddings=True, rope_parameters=rope(5e6))), torch.bfloat16, None),
    "smollm2": (LlamaConfig(**base | dict(hidden_size=36, num_attention_heads=9, num_key_value_heads=3, tie_word_embeddings=True, rms_norm_eps=1e-5,
               rope_parameters=rope(100000.0))), torch.bfloat16, None),
    "tinyllama": (LlamaConfig(**base | dict(num_attention_heads=8, num_key_value_heads=1, rms_norm_eps=1e-5)), torch.bfloat16, "9KB"),
}
out = sys.argv[1]
for seed, (name, (config, dtype, shard)) in enumerate(models.items()):
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():  # gains and offsets start as ones and zeros, which would hide where they are applied
        for key, p in model.named_parameters():
            if "norm" in key:
                p.add_(0.3 * torch.randn_like(p))
            elif key.endswith("bias"):
                p.add_(0.5 * torch.randn_like(p))
    model = model.to(dtype)
    where = os.path.join(out, name)
    shutil.rmtree(where, ignore_errors=True)
    model.save_pretrained(where, **({"max_shard_size": shard} if shard else {}))
    for extra in os.listdir(where):
        if not (extra == "config.json" or extra.startswith("model")):
            os.remove(os.path.join(where, extra))
    loaded = AutoModelForCausalLM.from_pretrained(where, dtype=torch.float32, attn_implementation="eager").eval()
    ids = torch.randint(0, config.vocab_size, (2, 40), generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        logits = loaded(ids).logits
    save_file({"token_ids": ids.int(), "logits": logits.contiguous()}, os.path.join(where, "expected.safetensors"))
    print(name, sorted(os.listdir(where)), sum(p.numel() for p in loaded.parameters()), float(logits.abs().max()))
