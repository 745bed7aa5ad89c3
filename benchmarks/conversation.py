"""What the conversation guard costs: messages a second, the slowest messages, its files and memory; one core.

    .venv/bin/python benchmarks/conversation.py [--messages 20000] [--json]

Messages are those of generated chats in seven languages, each chat read from its first message on. Named peer, in the
same run: `better-profanity`, a word filter as chat services use it, on the same messages; it looks at single English
words and keeps no state.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from importlib import resources
from pathlib import Path

from tutela.research.composing import compose
from tutela.research.replay import messages
from tutela.signals.conversation.conversation import Conversation, Reader
from tutela.signals.conversation.languages import shipped_identifier
from tutela.signals.conversation.lexicon import shipped
from tutela.signals.conversation.model import shipped_model
from tutela.signals.conversation.tagger import shipped_tagger

try:
    from better_profanity import profanity
except ImportError:
    sys.exit("the peer is missing: pip install better-profanity")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    began = time.perf_counter()
    reader = Reader(shipped(), shipped_identifier(), shipped_tagger(), shipped_model())
    loading = time.perf_counter() - began
    chats = []
    total = 0
    for chat in compose(args.messages, seed=99):
        chats.append(list(messages(chat, "other")))
        total += len(chats[-1])
        if total >= args.messages:
            break
    for chat in chats[:50]:  # what is met first is remembered
        conversation = Conversation(reader)
        for message in chat:
            conversation.read(message)
    taken = []
    for chat in chats:
        conversation = Conversation(reader)
        for message in chat:
            start = time.perf_counter()
            conversation.read(message)
            taken.append(time.perf_counter() - start)
    profanity.load_censor_words()
    peer = []
    for chat in chats[: max(1, len(chats) // 20)]:
        for message in chat:
            start = time.perf_counter()
            profanity.contains_profanity(message.text)
            peer.append(time.perf_counter() - start)
    rate, peer_rate = len(taken) / sum(taken), len(peer) / sum(peer)
    figures = {
        "messages": len(taken),
        "messages a second": round(rate),
        "median (ms)": round(1000 * statistics.median(taken), 3),
        "99th percentile (ms)": round(1000 * statistics.quantiles(taken, n=100)[98], 3),
        "slowest (ms)": round(1000 * max(taken), 2),
        "state of a conversation (bytes)": len(conversation.encode()),
        "loading (s)": round(loading, 2),
        "files of phrases, concepts, tagger and model (MB)": round(own_files() / 1e6, 2),
        "language identifier's model (MB)": round(identifier_files() / 1e6, 2),
        "memory of a process that only reads (MB)": round(memory()),
        "peer: better-profanity, messages a second": round(peer_rate),
        "ratio to the peer: messages a second": round(rate / peer_rate, 1),
    }
    if args.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:45} {value:>12,}")


def own_files() -> int:
    root = Path(str(resources.files("tutela.signals.conversation")))
    return sum(path.stat().st_size for path in root.rglob("*") if path.suffix in (".toml", ".json", ".npz"))


def identifier_files() -> int:
    root = Path(str(resources.files("py3langid")))
    return sum(path.stat().st_size for path in root.rglob("*.npz*"))


def memory() -> float:
    """Return the most memory that a process of its own takes which reads one message, in MB."""
    code = (
        "from tutela.device.conversation import shipped_reader;"
        "from tutela.signals.conversation.conversation import Conversation;"
        "from tutela.signals.conversation.message import Message, Side;"
        "Conversation(shipped_reader()).read(Message('1', Side.OTHER, 'hello', 0))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


if __name__ == "__main__":
    main()
