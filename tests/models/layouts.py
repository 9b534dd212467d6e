"""The embedder "bert" on the folders of other families, as they are published: layouts.py DRIVER MINILM WORK [FAMILY...]; prints
TAP.

Weights are random where a family's own are not at hand: what is compared with sentence-transformers is what a family's files say and do - sizes,
pooling, length, normalisation, prefixes, cased and uncased, F16 -, on a small network of the same kind, with MiniLM's vocabulary.
"""
import json
import os
import shutil
import subprocess
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
import numpy
import torch
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer
from transformers import BertConfig, BertModel

import texts

# Of each family: sizes (hidden, layers, heads, inner), pooling, whether it has a module Normalize, the longest text, the type of its weights.
FAMILIES = {
    "bge-small-en-v1.5": ((384, 2, 12, 1536), "cls", True, 512, torch.float32),
    "bge-base-en-v1.5": ((768, 2, 12, 3072), "cls", True, 512, torch.float32),
    "gte-small": ((384, 2, 12, 1536), "mean", True, 512, torch.float16),
    "gte-base": ((768, 2, 12, 3072), "mean", True, 512, torch.float16),
    "e5-small-v2": ((384, 2, 12, 1536), "mean", True, 512, torch.float32),
    "e5-base-v2": ((768, 2, 12, 3072), "mean", True, 512, torch.float32),
    "paraphrase-MiniLM-L3-v2": ((384, 2, 12, 1536), "mean", False, 128, torch.float32),
}
PREFIXES = {"bge": ("Represent this sentence for searching relevant passages: ", ""), "e5": ("query: ", "passage: ")}


def write_json(path, value):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as out:
        json.dump(value, out)


def make(folder, minilm, sizes, pooling, normalise, longest, weights):
    hidden, layers, heads, inner = sizes
    torch.manual_seed(1)
    config = BertConfig(vocab_size=30522, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads, intermediate_size=inner,
                        initializer_range=0.05)
    model = BertModel(config).to(weights)
    os.makedirs(folder)
    config.architectures = ["BertModel"]
    config.save_pretrained(folder)
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, folder + "/model.safetensors", {"format": "pt"})
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        shutil.copy(minilm + "/" + name, folder)
    tokenizer = json.load(open(folder + "/tokenizer_config.json"))
    write_json(folder + "/tokenizer_config.json", {**tokenizer, "model_max_length": longest})
    modes = {"pooling_mode_cls_token": pooling == "cls", "pooling_mode_mean_tokens": pooling == "mean"}
    write_json(folder + "/1_Pooling/config.json", {"word_embedding_dimension": hidden, **modes, "pooling_mode_max_tokens": False,
                                                   "pooling_mode_mean_sqrt_len_tokens": False})
    write_json(folder + "/sentence_bert_config.json", {"max_seq_length": longest, "do_lower_case": False})
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling")] + [("2_Normalize", "Normalize")] * normalise
    write_json(folder + "/modules.json", [{"idx": i, "name": str(i), "path": path, "type": "sentence_transformers.models." + kind}
                                          for i, (path, kind) in enumerate(kinds)])


def ours(driver, what, folder, items, dimension):
    given = b"".join(item.encode() + b"\0" for item in items)
    out = subprocess.run([driver, what, folder], input=given, stdout=subprocess.PIPE, check=True).stdout
    return numpy.frombuffer(out, dtype=numpy.float32).reshape(-1, dimension)


def compare(driver, folder, family, dimension):
    items = [t for t in texts.sentences(40) if t.strip()]
    library = SentenceTransformer(folder, device="cpu").to(torch.float32)
    query, passage = PREFIXES.get(family.split("-")[0], ("", ""))
    least = 1.0
    for what, prefix in (("query", query), ("embed", passage)):
        wanted = library.encode([prefix + t for t in items], normalize_embeddings=True)
        least = min(least, (ours(driver, what, folder, items, dimension) * wanted).sum(1).min())
    return least


def main():
    driver, minilm, work = sys.argv[1:4]
    families = sys.argv[4:] or list(FAMILIES)
    torch.set_num_threads(1)
    for number, family in enumerate(families, 1):
        sizes, pooling, normalise, longest, weights = FAMILIES[family]
        folder = os.path.join(work, family)
        shutil.rmtree(folder, ignore_errors=True)
        make(folder, minilm, sizes, pooling, normalise, longest, weights)
        least = compare(driver, folder, family, sizes[0])
        print(f"{'ok' if least >= 0.99999 else 'not ok'} {number} - {family}", flush=True)
        print(f"# the smallest cosine is {least:.7f}", flush=True)
        shutil.rmtree(folder)
    print(f"1..{len(families)}")


main()
