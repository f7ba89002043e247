"""Pages to text: HTML as Markdown with LaTeX, whatever form its mathematics has.

Not a filter: what the corpus keeps is decided elsewhere. `extract` is the whole interface;
`extract_item` is the same for the process pool.
"""

from mathlm.corpus.html.extraction import extract, extract_file, extract_item
from mathlm.corpus.html.records import Extraction, Formula

__all__ = ["Extraction", "Formula", "extract", "extract_file", "extract_item"]
