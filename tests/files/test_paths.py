"""What files and modalities are called, and how names of strangers are shown."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from mmfuse.files.paths import default_name, same_file, show, split_name, stem, suffix


@pytest.mark.parametrize(
    ("text", "name", "path"),
    [
        ("a=b.npy", "a", "b.npy"),
        ("a.b=c.npy", "a.b", "c.npy"),
        ("a=b=c", "a", "b=c"),
        ("a=./b=c/d.npy", "a", "./b=c/d.npy"),
        ("a=", "a", ""),
        ("a=-", "a", "-"),
        ("my image=b c.npy", "my image", "b c.npy"),
        ("é=b.npy", "é", "b.npy"),
        ("a=b\nc.npy", "a", "b\nc.npy"),
        ("b.npy", None, "b.npy"),
        ("./a=b.npy", None, "./a=b.npy"),
        ("/a=b.npy", None, "/a=b.npy"),
        ("C/x=y", None, "C/x=y"),
        ("=x", None, "=x"),
        ("-", None, "-"),
        ("", None, ""),
        # names are printable, paths are left as they are
        ("a\nb=c\nd", r"a\nb", "c\nd"),
        ("\x1b[31m=c", r"\x1b[31m", "c"),
        ("\udcff=\udcff.npy", r"\udcff", "\udcff.npy"),
    ],
)
def test_split_name(text, name, path):
    assert split_name(text) == (name, path)


@pytest.mark.parametrize(
    ("path", "its_stem", "its_suffix"),
    [
        ("a.npy", "a", ".npy"),
        ("folder.d/a.npy", "a", ".npy"),
        ("a.b.npy", "a.b", ".npy"),
        ("a.csv.gz", "a", ".csv"),
        ("a.CSV.GZ", "a", ".csv"),
        ("a.b.csv.zst", "a.b", ".csv"),
        ("a.gz", "a", ""),
        ("a.npy.bz2", "a.npy", ".bz2"),
        ("A.NPY", "A", ".npy"),
        ("a", "a", ""),
        (".npy", ".npy", ""),
        (".gz", ".gz", ""),
        ("-", "-", ""),
        ("/dev/fd/63", "63", ""),
        ("a b\n.npy", "a b\n", ".npy"),
        ("", "", ""),
    ],
)
def test_stem_and_suffix(path, its_stem, its_suffix):
    assert (stem(path), suffix(path)) == (its_stem, its_suffix)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, [red] and [/]", "plain text, [red] and [/]"),
        ("Größe 日本語 🎉 é", "Größe 日本語 🎉 é"),
        ("\x1b[31m", r"\x1b[31m"),
        ("a\nb\r\tc\0", r"a\nb\r\tc\x00"),
        ("\x7f\x9b", r"\x7f\x9b"),
        ("\u202etxt.exe\u2066", r"\u202etxt.exe\u2066"),
        ("a\u200bb\u200d\ufeff\u00ad", r"a\u200bb\u200d\ufeff\xad"),
        ("\u2028\u2029\xa0\u3000", r"\u2028\u2029\xa0\u3000"),
        ("\udcff\ud800", r"\udcff\ud800"),
        ("\ue000\U000e0041", r"\ue000\U000e0041"),
        ("", ""),
    ],
)
def test_show(text, shown):
    assert show(text) == shown


def test_nothing_but_printable_text_is_shown():
    everything = "".join(map(chr, (*range(0x10000), *range(0xE0000, 0xE0200))))
    shown = show(everything)
    assert shown.encode().decode() == shown
    assert not [c for c in shown if c != " " and unicodedata.category(c)[0] in "CZ"]
    assert show(shown) == shown


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("features/image.npy", "image"),
        (os.fsdecode(b"d\xfe/\xff.npy"), r"\udcff"),
        ("a\nb\x1b.csv.gz", r"a\nb\x1b"),
    ],
)
def test_default_name(path, name):
    assert default_name(path) == name


@pytest.mark.parametrize(
    ("given", "output"),
    [
        (b"\xff.npy", "z.parquet"),
        (b"\xfe=\xff.npy", "z.csv"),
        (b"a\x1b[1m\nb=\xff.npy", "z.parquet"),
    ],
)
def test_names_that_are_no_text_end_in_a_readable_file(here, npy, mmfuse, output, given):
    npy("a.npy", np.ones((2, 2)))
    os.rename("a.npy", b"\xff.npy")
    weight = given.split(b"=")[0] + b"=3" if b"=" in given else b"3"
    done = mmfuse("concat", given, "-o", output, b"--weight", weight)
    assert done.code == 0, done.err
    assert "\x1b" not in done.err
    told = mmfuse("inspect", output)
    assert told.code == 0, told.err
    assert "\x1b" not in told.out


class TestSameFile:
    @pytest.fixture
    def file(self, here):
        Path("a").write_text("1")
        os.mkdir("sub")

    @pytest.mark.parametrize("other", ["a", "./a", "sub/../a", "sub//..//a"])
    def test_one_path(self, file, other):
        assert same_file("a", other)
        assert same_file(other, os.path.abspath("a"))

    def test_links(self, file):
        os.symlink("a", "soft")
        os.link("a", "hard")
        os.symlink("soft", "sub/no")
        assert same_file("soft", "hard")
        assert not same_file("sub/no", "a")  # it leads to sub/soft

    def test_equal_content_is_not_the_same(self, file):
        Path("b").write_text("1")
        assert not same_file("a", "b")

    def test_what_is_not_there_is_nobodys(self, file):
        assert not same_file("no", "no")
        assert not same_file("a", "no")
        assert not same_file("no", "a")
