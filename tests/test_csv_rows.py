import csv
import io

from mien.csv_rows import CsvRows


def test_rows_end_in_a_line_feed_and_only_odd_cells_are_quoted():
    stream = io.StringIO()
    rows = CsvRows(stream)
    rows.writerow(["a", 1, None, 0.5])
    rows.writerows([["b,c", 'd"e'], []])
    assert stream.getvalue() == 'a,1,,0.5\n"b,c","d""e"\n\n'


def test_a_cell_may_hold_any_end_of_a_line():
    stream = io.StringIO()
    given = [["a\rb", "c\nd", "e\r\n", "\r"], ["f", "g", "h", "i"]]
    CsvRows(stream).writerows(given)
    assert list(csv.reader(io.StringIO(stream.getvalue(), newline=""))) == given
