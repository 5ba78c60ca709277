from pathlib import Path

from mien.studies.document import studies_document

ROOT = Path(__file__).parents[2]


def test_the_document_is_that_of_the_results():
    text = (ROOT / "docs/studies.md").read_text(encoding="utf-8")
    assert studies_document(ROOT / "results/studies") == text, "run: make results"
