"""Compares the embedder "bert" with the library that publishes the model.

    compare.py reference MODEL FIXTURE   writes the fixture, with sentence-transformers and tokenizers
    compare.py check DRIVER MODEL FIXTURE   runs the driver over the same texts and compares; prints TAP
    compare.py distil MODEL OUT             makes a static model of a sentence encoder, with model2vec (minutes)
    compare.py static DRIVER MODEL          compares the embedder "static" with model2vec; prints TAP

The fixture holds the vectors of the sentences at half precision, and a hash over the tokens of each hundred lines.
"""
import hashlib
import subprocess
import sys

import numpy

import texts

SENTENCES, LINES, GROUP = 1000, 10000, 100


def hash_groups(tokens):
    groups = [tokens[i:i + GROUP] for i in range(0, len(tokens), GROUP)]
    return numpy.array([hashlib.sha256(repr(g).encode()).hexdigest() for g in groups])


def reference(model, fixture):
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

    encoder = SentenceTransformer(model, device="cpu")
    vectors = encoder.encode(texts.sentences(SENTENCES), normalize_embeddings=True)
    tokenizer = Tokenizer.from_file(model + "/tokenizer.json")
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokens = [tokenizer.encode(line, add_special_tokens=False).ids for line in texts.lines(LINES)]
    numpy.savez_compressed(fixture, vectors=vectors.astype(numpy.float16), tokens=hash_groups(tokens))


def run(driver, what, model, items):
    given = b"".join(item.encode() + b"\0" for item in items)
    return subprocess.run([driver, what, model], input=given, stdout=subprocess.PIPE, check=True).stdout


def check(driver, model, fixture):
    expected = numpy.load(fixture)
    wanted = expected["vectors"].astype(numpy.float32)
    wanted /= numpy.linalg.norm(wanted, axis=1, keepdims=True)
    got = numpy.frombuffer(run(driver, "embed", model, texts.sentences(SENTENCES)), dtype=numpy.float32)
    cosines = (got.reshape(len(wanted), -1) * wanted).sum(1)
    good = cosines.min() >= 0.99999
    print(f"{'ok' if good else 'not ok'} 1 - vectors_are_those_of_the_published_library")
    print(f"# the smallest cosine of {len(cosines)} is {cosines.min():.7f}")
    output = run(driver, "tokens", model, texts.lines(LINES)).decode().split("\n")[:-1]
    hashes = hash_groups([[int(t) for t in one.split()] for one in output])
    wrong = [i for i, (a, b) in enumerate(zip(hashes, expected["tokens"])) if a != b]
    good = not wrong and len(hashes) == len(expected["tokens"])
    print(f"{'ok' if good else 'not ok'} 2 - tokens_are_those_of_the_published_tokenizer")
    print(f"# {len(output)} lines" + (f", other ones in the hundreds {wrong}" if wrong else ""))
    print("1..2")


def distil(model, out):
    from model2vec.distill import distill

    distill(model_name=model, pca_dims=256).save_pretrained(out)


def static(driver, model):
    from model2vec import StaticModel

    wanted = StaticModel.from_pretrained(model).encode(texts.sentences(1000)).astype(numpy.float32)
    got = numpy.frombuffer(run(driver, "static", model, texts.sentences(1000)), dtype=numpy.float32)
    got = got.reshape(len(wanted), -1)
    lengths = numpy.linalg.norm(wanted, axis=1)
    empty = lengths == 0
    cosines = (got * wanted).sum(1)[~empty] / lengths[~empty]
    good = cosines.min() >= 0.99999 and not got[empty].any()
    print(f"{'ok' if good else 'not ok'} 1 - static_vectors_are_those_of_model2vec")
    print(f"# the smallest cosine of {len(cosines)} is {cosines.min():.7f}; {empty.sum()} texts have no token")
    print("1..1")


if __name__ == "__main__":
    {"reference": reference, "check": check, "distil": distil, "static": static}[sys.argv[1]](*sys.argv[2:])
