"""Writes what `transformers` computes with a small model of each architecture: configuration, names of all tensors, and
expected numbers. Weights follow from the tensors' names (`noise`, which tests/rust/family_model.rs has too), so that no
file holds them.

    pip install -r tests/golden/families/requirements.txt
    python tests/golden/families/make.py [FAMILY…]
"""

import sys

import decoders
import encoders
import hybrids
import stacks

FAMILIES = [
    decoders.llama_linear, decoders.llama_dynamic, decoders.qwen3_yarn, decoders.gemma2, decoders.gemma3,
    decoders.phi3, decoders.phi3_longrope, decoders.smollm3, decoders.olmo2, decoders.granite,
    decoders.granitemoe, decoders.qwen3moe, decoders.mobilellm, hybrids.lfm2, hybrids.mamba2,
    hybrids.granitehybrid, hybrids.falcon_h1, hybrids.rwkv7, encoders.bert, encoders.roberta,
    encoders.distilbert, encoders.mobilebert, encoders.modernbert, encoders.nomic_bert,
    stacks.t5, stacks.t5_gated, stacks.umt5, stacks.t5_encoder,
]  # fmt: skip

if __name__ == "__main__":
    for family in FAMILIES:
        if len(sys.argv) == 1 or family.__name__ in sys.argv[1:]:
            family()
