import pytest

from mien.checksums import sha256_of
from mien.errors import InputError


def test_the_checksum_is_that_of_the_standard(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")  # FIPS 180-2, appendix B.1
    assert sha256_of(tmp_path / "file") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone cannot be read: No such file"):
        sha256_of(tmp_path / "gone")
