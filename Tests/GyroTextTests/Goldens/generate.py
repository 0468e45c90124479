"""Writes the tokenizer goldens beside this script.

Usage: python generate.py CORPUS [OUTPUT]

CORPUS is a plain text file of some 100 kB or more; small vocabularies are trained on it. OUTPUT is
the folder to write to, by default the one this script lies in. Needs the `tokenizers` package.
Each structure becomes a folder with `tokenizer.json` and `expected.json`: for each text its ids
with and without special tokens, and what decoding those ids gives with and without special tokens.
"""

import json
import pathlib
import random
import sys

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

CHAT_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|DIGITS"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

TEXTS = [
    "", " ", "\n", "Hello world", " leading", "trailing ", "two  spaces\tand\ttabs\n\nlines\r\n",
    "It's I'll we've DON'T 'Re '\u017f", "3.14159 12345 1,000,000 \u0663\u00bd\u2167",
    "na\u00efve cafe\u0301 \u212b \u2126 K", "\u65e5\u672c\u8a9e \ud55c\uad6d\uc5b4 \u0441\u043b\u043e\u0432\u043e",
    "\U0001f600\U0001f680 \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f44d\U0001f3fd",
    "def f(x):\n    return x ** 2  # comment\n", "a" * 80, "the the  the   the    the",
    "<s> </s> <unk>", "a<|end|>b <|end|>", "x <mask>  y", "word wordy sword", "tool  tool\u2581tool",
    "\u1100\u1161\u11a8 \uac00\u11a8 \ufb01 \u3000", "<0x41>\u2581\u2581x", "\u0085\u2028\u00a0.",
]


def random_texts(count, seed):
    generator = random.Random(seed)
    pool = list("etaoin shrdlu,.'!?\t\n\r  0129-_#\u00e9\u65e5\u2581")
    pool += ["\u0301", "\U0001f600", "\u200d", "'s", "'LL", "tool", "word", "<|end|>", "\n\n"]
    return ["".join(generator.choices(pool, k=generator.randint(1, 30))) for _ in range(count)]


def added(identifier, content, **flags):
    token = dict(id=identifier, content=content, single_word=False, lstrip=False, rstrip=False)
    token.update(normalized=False, special=False)
    token.update(flags)
    return token


def template(token, identifier):
    before = {"SpecialToken": {"id": token, "type_id": 0}}
    text = {"Sequence": {"id": "A", "type_id": 0}}
    return {
        "type": "TemplateProcessing", "single": [before, text], "pair": [before, text],
        "special_tokens": {token: {"id": token, "ids": [identifier], "tokens": [token]}},
    }


def byte_level(**settings):
    result = dict(type="ByteLevel", add_prefix_space=False, trim_offsets=True, use_regex=True)
    result.update(settings)
    return result


def split(digits):
    pattern = {"Regex": CHAT_PATTERN.replace("DIGITS", digits)}
    return {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False}


def train(corpus, size, pre_tokenizer, special, alphabet):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([corpus], trainer)
    return json.loads(tokenizer.to_str())


def structures(corpus):
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    gpt2 = pre_tokenizers.ByteLevel(add_prefix_space=False)

    base = train(corpus, 400, gpt2, ["<|end|>"], alphabet)
    base.update(pre_tokenizer=byte_level(add_prefix_space=True), decoder=byte_level())
    base["added_tokens"] += [
        added(400, "<mask>", lstrip=True, rstrip=True, special=True),
        added(401, "word", single_word=True), added(402, "tool", normalized=True)]
    yield "gpt2", base

    base = train(corpus, 400, gpt2, ["<|end|>"], alphabet)
    base["model"]["ignore_merges"] = True
    sequence = [split(r"\p{N}{1,3}"), byte_level(use_regex=False)]
    base["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": sequence}
    base["post_processor"] = {
        "type": "Sequence", "processors": [byte_level(), template("<|end|>", 0)]}
    base["decoder"] = byte_level()
    yield "llama3", base

    base = train(corpus, 400, gpt2, ["<|end|>"], alphabet)
    sequence = [split(r"\p{N}"), byte_level(use_regex=False)]
    base.update(normalizer={"type": "NFC"}, decoder=byte_level())
    base["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": sequence}
    base["added_tokens"] += [added(400, "tool"), added(401, "\u212b", normalized=True)]
    yield "qwen2", base

    special = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    base = train(corpus, 600, pre_tokenizers.Metaspace(), special, [])
    base["added_tokens"] = base["added_tokens"][:3]
    base["model"].update(unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    base["model"]["merges"] = [" ".join(pair) for pair in base["model"]["merges"]]
    meta = {"String": "\u2581"}
    base["normalizer"] = {"type": "Sequence", "normalizers": [
        {"type": "Prepend", "prepend": "\u2581"},
        {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]}
    base.update(pre_tokenizer=None, post_processor=template("<s>", 1))
    base["decoder"] = {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": meta, "content": " "}, {"type": "ByteFallback"},
        {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
    yield "llama2", base


def expected(tokenizer, text):
    ids = tokenizer.encode(text).ids
    return {
        "text": text, "ids": ids,
        "ids_plain": tokenizer.encode(text, add_special_tokens=False).ids,
        "decoded": tokenizer.decode(ids, skip_special_tokens=False),
        "decoded_skip": tokenizer.decode(ids, skip_special_tokens=True),
    }


def main():
    corpus = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")[:200_000]
    output = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else pathlib.Path(__file__).parent
    texts = TEXTS + random_texts(25, seed=7)
    for name, structure in structures(corpus):
        tokenizer = Tokenizer.from_str(json.dumps(structure))
        rows = [json.dumps(expected(tokenizer, text), separators=(",", ":")) for text in texts]
        folder = output / name
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(structure, ensure_ascii=False, separators=(",", ":"))
        (folder / "tokenizer.json").write_text(text + "\n", encoding="utf-8")
        (folder / "expected.json").write_text("[\n" + ",\n".join(rows) + "\n]\n")


if __name__ == "__main__":
    main()
