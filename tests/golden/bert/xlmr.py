"""XLM-RoBERTa's line as embedding models (BGE-M3, multilingual E5) beside BERT's in bert.py: the same layers behind a
vocabulary of SentencePiece's unigrams, with positions that count from behind the padding token's.

    python3 tests/golden/bert/xlmr.py FOLDER    a small random one, as sentence-transformers saves it. Needs that package
                                                (with torch) and sentencepiece
"""
import base64
import dataclasses
import json
import pathlib
import sys
import tempfile

import gguf

ROOT = pathlib.Path(__file__).resolve().parents[3]
PIECES = 2000


@dataclasses.dataclass
class Unigrams:
    tokens: list
    scores: list
    char_map: bytes

    def write(self, writer):
        special = {"<s>": gguf.TokenType.CONTROL, "<pad>": gguf.TokenType.CONTROL, "</s>": gguf.TokenType.CONTROL,
                   "<mask>": gguf.TokenType.CONTROL, "<unk>": gguf.TokenType.UNKNOWN}
        at = self.tokens.index
        writer.add_tokenizer_model("t5")
        writer.add_tokenizer_pre("default")
        writer.add_token_list(self.tokens)
        writer.add_token_scores(self.scores)
        writer.add_token_types([special.get(token, gguf.TokenType.NORMAL) for token in self.tokens])
        writer.add_bos_token_id(at("<s>"))
        writer.add_eos_token_id(at("</s>"))
        writer.add_sep_token_id(at("</s>"))
        writer.add_unk_token_id(at("<unk>"))
        writer.add_pad_token_id(at("<pad>"))
        writer.add_mask_token_id(at("<mask>"))
        writer.add_add_bos_token(True)
        writer.add_add_eos_token(True)
        writer.add_add_space_prefix(True)
        writer.add_remove_extra_whitespaces(True)
        writer.add_precompiled_charsmap(self.char_map)


def char_map(normalizer):
    """Of the first step that has one."""
    if normalizer["type"] == "Precompiled":
        return base64.b64decode(normalizer["precompiled_charsmap"])
    return next(found for step in normalizer["normalizers"] if (found := char_map(step)))


def load(folder, config, tensors):
    """config and tensors as BERT has them, and the vocabulary."""
    offset = config["pad_token_id"] + 1
    name = "embeddings.position_embeddings.weight"
    tensors = tensors | {name: tensors[name][offset:]}
    config = config | {"max_position_embeddings": config["max_position_embeddings"] - offset}
    made = json.loads((pathlib.Path(folder) / "tokenizer.json").read_text())
    pairs = made["model"]["vocab"]
    vocab = Unigrams([token for token, _ in pairs], [score for _, score in pairs], char_map(made["normalizer"]))
    return config, tensors, vocab


def make(folder):
    import sentencepiece
    import torch
    import transformers
    from sentence_transformers import SentenceTransformer, models
    from sentencepiece import sentencepiece_model_pb2

    with tempfile.TemporaryDirectory() as scratch:
        prefix = f"{scratch}/pieces"
        sentencepiece.SentencePieceTrainer.train(
            input=",".join(map(str, [ROOT / "tests/golden/text.txt", *sorted((ROOT / "docs").glob("*.md"))])), model_prefix=prefix, vocab_size=PIECES, model_type="unigram",
            hard_vocab_limit=False, minloglevel=2)
        trained = sentencepiece_model_pb2.ModelProto.FromString(pathlib.Path(prefix + ".model").read_bytes())
        pieces = [(piece.piece, piece.score) for piece in trained.pieces if piece.type == 1]
        vocab = [(mark, 0.0) for mark in ("<s>", "<pad>", "</s>", "<unk>")] + pieces + [("<mask>", 0.0)]
        tokenizer = transformers.XLMRobertaTokenizer(
            vocab=vocab, _spm_precompiled_charsmap=trained.normalizer_spec.precompiled_charsmap)
        torch.manual_seed(5)
        config = transformers.XLMRobertaConfig(
            vocab_size=len(vocab), hidden_size=128, num_hidden_layers=4, num_attention_heads=8, intermediate_size=256,
            max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5, initializer_range=0.1)
        model = transformers.XLMRobertaModel(config, add_pooling_layer=False).eval()
        with torch.no_grad():  # norms and biases too
            for name, parameter in model.named_parameters():
                if parameter.ndim == 1:
                    parameter.add_(0.2 * torch.randn_like(parameter))
        model.save_pretrained(scratch + "/model")
        tokenizer.save_pretrained(scratch + "/model")
        transformer = models.Transformer(scratch + "/model", max_seq_length=512)
        pooling = models.Pooling(128, pooling_mode="cls")
        SentenceTransformer(modules=[transformer, pooling], device="cpu").save(str(folder))


if __name__ == "__main__":
    make(sys.argv[1])
