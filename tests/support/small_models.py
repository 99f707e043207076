"""Small models as folders: tokenizers trained here, weights at random, written by NumPy alone."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from support.model_tokenizers import ids, tokenizer
from support.small_tokenizers import lines

WIDTH = 8
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "I8": 1, "U8": 1, "I64": 8}

#: What models are trimmed to, and what their tokenizers know besides.
CORPUS = lines("en", 0, 60)
OTHER = lines("fr", 0, 40)


@dataclass(frozen=True)
class Family:
    """A kind of model.

    Attributes
    ----------
    size : int
        Ids of its tokenizer.
    rows : int
        Rows of its tables.
    config, generation : dict
        Configurations; ids in them are those of `ids`.
    tensors : dict
        Type and shape of each tensor; a length of -1 is that of the vocabulary.
    tables : set of str
        Those with a row a token.
    """

    name: str
    tokenizer: str
    size: int
    rows: int
    config: dict[str, Any]
    tensors: dict[str, tuple[str, tuple[int, ...]]]
    tables: set[str]
    generation: dict[str, Any] = field(default_factory=dict)
    shards: int = 1


def family(name: str) -> Family:
    """Describe a model of a kind of tokenizer, or one of ``int8`` and ``sharded``."""
    kind = {"int8": "bert", "sharded": "llama", "lora": "llama"}.get(name, name)
    known = ids(kind)
    size = max(known.values()) + 1
    spec = _SPECS[name](known, size)
    return Family(name=name, tokenizer=kind, size=size, **{"rows": size, **spec})


def _bert(known: Mapping[str, int], size: int) -> dict[str, Any]:
    config = {
        "model_type": "bert",
        "architectures": ["BertForMaskedLM"],
        "vocab_size": size,
        "hidden_size": WIDTH,
        # As many positions as tokens: their shape alone does not tell them apart.
        "max_position_embeddings": size,
        "pad_token_id": known["[PAD]"],
        "id2label": {"0": "no", "1": "yes"},
    }
    tables = {
        "bert.embeddings.word_embeddings.weight": ("F32", (-1, WIDTH)),
        "cls.predictions.bias": ("F32", (-1,)),
        "cls.predictions.decoder.bias": ("F32", (-1,)),
    }
    others = {
        "bert.embeddings.position_embeddings.weight": ("F32", (size, WIDTH)),
        "bert.embeddings.token_type_embeddings.weight": ("F32", (2, WIDTH)),
        "bert.embeddings.position_ids": ("I64", (1, size)),
        "bert.encoder.layer.0.attention.self.query.weight": ("F32", (WIDTH, WIDTH)),
        "cls.predictions.transform.dense.weight": ("F32", (WIDTH, WIDTH)),
    }
    return {"config": config, "tensors": tables | others, "tables": set(tables)}


def _gpt2(known: Mapping[str, int], size: int) -> dict[str, Any]:
    end = known["<|endoftext|>"]
    config = {
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "vocab_size": size,
        "n_embd": WIDTH,
        "bos_token_id": end,
        "eos_token_id": end,
        "task_specific_params": {"text-generation": {"do_sample": True, "pad_token_id": end}},
    }
    tables = {"transformer.wte.weight": ("F16", (-1, WIDTH))}
    others = {
        "transformer.wpe.weight": ("F16", (32, WIDTH)),
        "transformer.h.0.attn.bias": ("U8", (1, 1, 32, 32)),
        "transformer.ln_f.weight": ("F16", (WIDTH,)),
    }
    generation = {"eos_token_id": [end], "bos_token_id": end, "_from_model_config": True}
    return {
        "config": config,
        "tensors": tables | others,
        "tables": set(tables),
        "generation": generation,
    }


def _roberta(known: Mapping[str, int], size: int) -> dict[str, Any]:
    config = {
        "model_type": "roberta",
        "architectures": ["RobertaForMaskedLM"],
        "vocab_size": size,
        "pad_token_id": known["<pad>"],
        "bos_token_id": known["<s>"],
        "eos_token_id": known["</s>"],
    }
    tables = {
        "roberta.embeddings.word_embeddings.weight": ("F32", (-1, WIDTH)),
        "lm_head.bias": ("F32", (-1,)),
        "lm_head.decoder.weight": ("F32", (-1, WIDTH)),
    }
    others = {
        "roberta.embeddings.position_embeddings.weight": ("F32", (40, WIDTH)),
        "lm_head.dense.weight": ("F32", (WIDTH, WIDTH)),
        "lm_head.layer_norm.bias": ("F32", (WIDTH,)),
    }
    return {"config": config, "tensors": tables | others, "tables": set(tables)}


def _llama(known: Mapping[str, int], size: int) -> dict[str, Any]:
    config = {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "vocab_size": size,
        "tie_word_embeddings": False,
        "bos_token_id": known["<s>"],
        "eos_token_id": [known["</s>"], known["<unk>"]],
        "pad_token_id": None,
    }
    tables = {
        "model.embed_tokens.weight": ("BF16", (-1, WIDTH)),
        "lm_head.weight": ("BF16", (-1, WIDTH)),
    }
    others = {
        "model.layers.0.self_attn.q_proj.weight": ("BF16", (WIDTH, WIDTH)),
        "model.layers.0.mlp.up_proj.weight": ("F8_E4M3", (size, WIDTH)),
        "model.norm.weight": ("F32", (WIDTH,)),
    }
    generation = {
        "eos_token_id": [known["</s>"]],
        "suppress_tokens": [known["<0x00>"], known["<0xFF>"]],
        "bad_words_ids": [[known["<0x01>"], known["<0x02>"]]],
        "forced_decoder_ids": [[1, known["<unk>"]], [2, None]],
        "max_length": 20,
    }
    return {
        "config": config,
        "tensors": tables | others,
        "tables": set(tables),
        "generation": generation,
    }


def _t5(known: Mapping[str, int], size: int) -> dict[str, Any]:
    rows = size + 28
    config = {
        "model_type": "t5",
        "architectures": ["T5ForConditionalGeneration"],
        "vocab_size": rows,
        "d_model": WIDTH,
        "tie_word_embeddings": False,
        "decoder_start_token_id": known["<pad>"],
        "pad_token_id": known["<pad>"],
        "eos_token_id": known["</s>"],
        # An id in the padding: a row, and no token.
        "bos_token_id": size + 3,
    }
    names = ("shared", "encoder.embed_tokens", "decoder.embed_tokens", "lm_head")
    tables = {f"{name}.weight": ("F32", (-1, WIDTH)) for name in names}
    others = {
        "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight": ("F32", (32, 2)),
        "decoder.final_layer_norm.weight": ("F32", (WIDTH,)),
    }
    return {"config": config, "rows": rows, "tensors": tables | others, "tables": set(tables)}


def _mbart(known: Mapping[str, int], size: int) -> dict[str, Any]:
    config = {
        "model_type": "mbart",
        "architectures": ["MBartForConditionalGeneration"],
        "vocab_size": size,
        "pad_token_id": known["<pad>"],
        "bos_token_id": known["<s>"],
        "eos_token_id": known["</s>"],
        "decoder_start_token_id": known["</s>"],
        "forced_bos_token_id": known["fr_XX"],
        "forced_eos_token_id": known["</s>"],
        "lang_to_id": {"<|en|>": known["en_XX"], "<|fr|>": known["fr_XX"]},
    }
    tables = {
        "final_logits_bias": ("F32", (1, -1)),
        "model.shared.weight": ("F32", (-1, WIDTH)),
        "model.encoder.embed_tokens.weight": ("F32", (-1, WIDTH)),
        "model.decoder.embed_tokens.weight": ("F32", (-1, WIDTH)),
    }
    others = {"model.encoder.embed_positions.weight": ("F32", (66, WIDTH))}
    return {"config": config, "tensors": tables | others, "tables": set(tables)}


def _xlmr(known: Mapping[str, int], size: int) -> dict[str, Any]:
    spec = _roberta(known, size)
    spec["config"] |= {"model_type": "xlm-roberta", "architectures": ["XLMRobertaForMaskedLM"]}
    return spec


def _int8(known: Mapping[str, int], size: int) -> dict[str, Any]:
    spec = _bert(known, size)
    tables = {
        "bert.embeddings.word_embeddings.weight": ("I8", (-1, WIDTH)),
        "bert.embeddings.word_embeddings.weight_scale": ("F16", (-1, 1)),
        "bert.embeddings.word_embeddings.weight_zero_point": ("I8", (-1,)),
    }
    spec["tensors"] = spec["tensors"] | tables
    spec["tables"] = spec["tables"] | set(tables)
    return spec


def _sharded(known: Mapping[str, int], size: int) -> dict[str, Any]:
    return {**_llama(known, size), "shards": 3}


def _lora(known: Mapping[str, int], size: int) -> dict[str, Any]:
    spec = _llama(known, size)
    tables = {
        "model.embed_tokens.lora_embedding_A": ("F32", (4, -1)),
        "lm_head.lora_B.weight": ("F32", (-1, 4)),
    }
    others = {
        "model.embed_tokens.lora_embedding_B": ("F32", (WIDTH, 4)),
        "lm_head.lora_A.weight": ("F32", (4, WIDTH)),
    }
    spec["tensors"] = spec["tensors"] | tables | others
    spec["tables"] = spec["tables"] | set(tables)
    return spec


_SPECS = {
    "bert": _bert,
    "gpt2": _gpt2,
    "roberta": _roberta,
    "llama": _llama,
    "t5": _t5,
    "mbart": _mbart,
    "xlmr": _xlmr,
    "int8": _int8,
    "sharded": _sharded,
    "lora": _lora,
}
FAMILIES = tuple(_SPECS)


def write(folder: Path, name: str) -> Family:
    """Write a model into a folder, and say what it is."""
    made = family(name)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        tensor: (dtype, tuple(made.rows if length == -1 else length for length in shape))
        for tensor, (dtype, shape) in made.tensors.items()
    }
    write_weights(folder, tensors, shards=made.shards)
    (folder / "tokenizer.json").write_text(tokenizer(made.tokenizer), encoding="utf-8")
    write_json(folder / "config.json", made.config)
    if made.generation:
        write_json(folder / "generation_config.json", made.generation)
    write_json(folder / "tokenizer_config.json", {"model_max_length": 512})
    (folder / "README.md").write_text(f"---\nlicense: mit\n---\n# {name}\n", encoding="utf-8")
    return made


def write_json(file: Path, value: Any) -> None:
    """Write JSON."""
    file.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def state(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder, byte for byte."""
    return {
        file.relative_to(folder).as_posix(): file.read_bytes() if file.is_file() else None
        for file in folder.rglob("*")
    }


def contents(folder: Path) -> dict[str, bytes]:
    """The files below a folder, byte for byte."""
    return {name: data for name, data in state(folder).items() if data is not None}


def library(folder: Path) -> Any:
    """The tokenizer of a folder, as the library reads it."""
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def read_json(file: Path) -> Any:
    """Read JSON."""
    return json.loads(file.read_bytes())


def write_weights(
    folder: Path, tensors: Mapping[str, tuple[str, tuple[int, ...]]], *, shards: int = 1
) -> None:
    """Write safetensors of random bytes, in one file or several with an index."""
    names = sorted(tensors)
    where = {tensor: n * shards // len(names) for n, tensor in enumerate(names)}
    files = [
        "model.safetensors" if shards == 1 else f"model-{n + 1:05}-of-{shards:05}.safetensors"
        for n in range(shards)
    ]
    total = 0
    for n, file in enumerate(files):
        held = {tensor: tensors[tensor] for tensor in names if where[tensor] == n}
        total += _write_file(folder / file, held)
    if shards > 1:
        index = {
            "metadata": {"total_size": total},
            "weight_map": {tensor: files[where[tensor]] for tensor in names},
        }
        write_json(folder / "model.safetensors.index.json", index)


def _write_file(file: Path, tensors: Mapping[str, tuple[str, tuple[int, ...]]]) -> int:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for tensor, (dtype, shape) in tensors.items():
        seed = int.from_bytes(tensor.encode()[-6:], "big")
        part = np.random.default_rng(seed).bytes(math.prod(shape) * _BYTES[dtype])
        offsets = [len(data), len(data) + len(part)]
        header[tensor] = {"dtype": dtype, "shape": list(shape), "data_offsets": offsets}
        data += part
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return len(data)


def read_weights(folder: Path) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """Read type, shape and bytes of every tensor: by other means than what is tested."""
    found = {}
    for file in sorted(folder.glob("*.safetensors")):
        raw = file.read_bytes()
        start = 8 + int.from_bytes(raw[:8], "little")
        header = json.loads(raw[8:start])
        header.pop("__metadata__", None)
        for tensor, entry in header.items():
            first, last = entry["data_offsets"]
            part = raw[start + first : start + last]
            found[tensor] = (entry["dtype"], tuple(entry["shape"]), part)
    return found


def rows_of(tensor: tuple[str, tuple[int, ...], bytes], rows: int) -> np.ndarray:
    """Give the bytes of a table as (tokens, everything else of each), whatever its axis."""
    dtype, shape, data = tensor
    array = np.frombuffer(data, np.uint8).reshape(*shape, _BYTES[dtype])
    return np.moveaxis(array, shape.index(rows), 0).reshape(rows, -1)


def write_text(file: Path, text: Iterable[str]) -> Path:
    """Write lines."""
    file.write_text("".join(f"{line}\n" for line in text), encoding="utf-8")
    return file
