"""datatrove's pipeline from WARC to filtered Parquet, timed: run by `benchmarks/warc.py`.

    python datatrove_warc.py WARC_FOLDER OUT_FOLDER '{"tasks": 1, "precision": true, "timeout": 1}'

Steps: WarcReader, a rule on the URL, Trafilatura, a rule on the language, GopherRepetitionFilter,
ParquetWriter. Where datatrove would download a model (language) the rule is a lambda that costs
nothing, in its favour. Prints one JSON object: documents, seconds (wall, and CPU without imports).
"""

import json
import resource
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


def cpu_seconds():
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


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
    start, before = time.perf_counter(), cpu_seconds()
    stats = executor.run()
    seconds, cpu = time.perf_counter() - start, cpu_seconds() - before
    print(json.dumps({
        "seconds": seconds,
        "cpu_seconds": cpu,
        "documents": stats.stats[-1].stats["total"].total,
        "versions": {name: version(name) for name in ("datatrove", "trafilatura", "warcio")},
    }))  # fmt: skip


if __name__ == "__main__":
    main()
