"""A process that tries a tokenizer: a folder and texts come in as JSON on stdin, one line of JSON
goes out.
"""

import json
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Load the tokenizer as a trial does, and count its tokens and what is unknown to it."""
    # transformers imports torch for its models wherever it is there; a tokenizer needs none of it.
    sys.modules["torch"] = None  # type: ignore[assignment]  # which makes the import fail
    from transformers import AutoTokenizer

    from deft_sweeps.models.vocabulary import SPECIAL_IDS, unknown_share

    given = json.load(sys.stdin)
    try:
        tokenizer = AutoTokenizer.from_pretrained(Path(given["folder"]), trust_remote_code=False)
    except Exception as error:  # damaged files raise whatever their parser does
        print(json.dumps({"error": " ".join(str(error).split())[:300] or type(error).__name__}))
        return
    outcome: dict[str, Any] = {
        "n_tokens": len(tokenizer),
        "is_fast": tokenizer.is_fast,
        "kind": type(tokenizer).__name__,
        "unknown_id": tokenizer.unk_token_id,
        "class_ids": [tokenizer(name)["input_ids"] for name in given["classes"]],
        "unknown_share": 0.0,
    }
    outcome["special"] = {name: getattr(tokenizer, name) for name in SPECIAL_IDS}
    if tokenizer.is_fast:
        outcome["unknown_share"] = unknown_share(
            tokenizer.backend_tokenizer, tokenizer.unk_token_id, given["texts"]
        )
    print(json.dumps(outcome))


if __name__ == "__main__":
    main()
