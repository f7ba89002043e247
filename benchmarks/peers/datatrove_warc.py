"""datatrove's pipeline from WARC to filtered Parquet, timed: run by `benchmarks/warc.py`.

    python datatrove_warc.py WARC_FOLDER OUT_FOLDER '{"tasks": 1, "precision": true, "timeout": 1}'

Steps: WarcReader, a rule on the URL, Trafilatura, a rule on the language, GopherRepetitionFilter,
ParquetWriter. Where datatrove would download a model (language) the rule is a lambda that costs
nothing, in its favour. Prints one JSON object: seconds and documents.
"""

import json
import sys
import time
from importlib.metadata import version

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.extractors import Trafilatura
from datatrove.pipeline.filters import GopherRepetitionFilter, LambdaFilter
from datatrove.pipeline.readers import WarcReader
from datatrove.pipeline.writers import ParquetWriter


def allowed(document):
    return "/search" not in document.metadata.get("url", "")


def english(document):
    letters = sum(c.isalpha() for c in document.text[:2000])
    return sum(c.isascii() for c in document.text[:2000] if c.isalpha()) >= 0.7 * letters


def main():
    warcs, out, settings = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    executor = LocalPipelineExecutor(
        pipeline=[
            WarcReader(warcs, glob_pattern="*.warc.gz"),
            LambdaFilter(allowed),
            Trafilatura(favour_precision=settings["precision"], timeout=settings["timeout"]),
            LambdaFilter(english),
            GopherRepetitionFilter(),
            ParquetWriter(f"{out}/documents"),
        ],
        tasks=settings["tasks"],
        workers=settings["tasks"],
        logging_dir=f"{out}/logs",
    )
    start = time.perf_counter()
    stats = executor.run()
    seconds = time.perf_counter() - start
    print(json.dumps({
        "seconds": seconds,
        "documents": stats.stats[-1].stats["total"].total,
        "versions": {name: version(name) for name in ("datatrove", "trafilatura", "warcio")},
    }))  # fmt: skip


if __name__ == "__main__":
    main()
