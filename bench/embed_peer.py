#!/usr/bin/env python3
"""The peer of `make bench-embed`: embed_peer.py MODEL THREADS. Says "ready"; then, for texts, a line each and an empty line behind them, the
seconds that sentence-transformers took, of the clock and of the processor, and the vectors as floats."""
import os
import sys
import time

os.environ["HF_HUB_OFFLINE"] = "1"
try:
    import torch
    from sentence_transformers import SentenceTransformer
except ImportError:
    sys.exit(0)

torch.set_num_threads(int(sys.argv[2]))
model = SentenceTransformer(sys.argv[1], device="cpu")
out = os.fdopen(os.dup(1), "wb")
out.write(b"ready\n")
out.flush()
texts = []
for line in sys.stdin:
    if line != "\n":
        texts.append(line[:-1])
        continue
    begin, work = time.monotonic(), time.process_time()
    vectors = model.encode(texts, batch_size=len(texts), normalize_embeddings=True, show_progress_bar=False)
    out.write(b"%.9f %.9f\n" % (time.monotonic() - begin, time.process_time() - work))
    out.write(vectors.astype("float32").tobytes())
    out.flush()
    texts = []
