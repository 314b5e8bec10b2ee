"""The drop folder: what is taken from it, as what, and in which order."""

from __future__ import annotations

import os
import warnings
from datetime import UTC, datetime

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from upath import UPath

from syncstock_dagster.sources import list_drop, list_strays, parse_drop_file
from syncstock_dagster.stock.policy import Policies, SourcePolicy

FILES = {
    "sales/2026-03-02.csv": b"sku,quantity,day\nA,1,2026-03-02\n",
    "sales/2026-03-01.csv": b"sku,quantity,day\nA,1,2026-03-01\n",
    "sales/till-north/x.csv": b"sku,quantity,day\nA,x,2026-03-01\nB,1,2026-03-01\n",
    "purchases/deep/er/x.csv": b"sku,quantity,day\nA,1,2026-03-01\n",
    "movements/m.csv": b"sku,quantity,day\nA,-1,2026-03-01\n",
    "counts/2026-03-01.csv": b"sku,count\nA,1\n",
    "counts/pos/2026-03-01.csv": b"sku,count\nA,1\n",
    "products/list.csv": b"sku,name\nA,Apple\n",
}
LEFT_OUT = [
    "sales/.hidden.csv",
    "sales/.cache/x.csv",
    "sales/~$x.xlsx",
    "sales/x.csv.tmp",
    "sales/x.csv.PART",
    "sales/x.csv.filepart",
    "sales/x.csv~",
]


def fill(folder):
    for name, content in {
        **FILES,
        **dict.fromkeys(LEFT_OUT, b"x"),
        "sales/empty.csv": b"",
        "README.txt": b"x",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@pytest.fixture(params=["local", "memory"])
def folder(request, tmp_path):
    """The same folder on the disk, under a name with a blank in it, and in an object store."""
    root = (
        UPath(tmp_path / "drop folder")
        if request.param == "local"
        else UPath(f"memory://drop-{tmp_path.name}")
    )
    fill(root)
    return root


def test_files_are_listed_with_kind_and_source_products_first_then_by_name(folder):
    assert [(file.name, file.kind, file.source) for file in list_drop(folder)] == [
        ("products/list.csv", "products", "products"),
        ("counts/2026-03-01.csv", "counts", "excel"),
        ("counts/pos/2026-03-01.csv", "counts", "pos"),
        ("movements/m.csv", "movements", "movements"),
        ("purchases/deep/er/x.csv", "purchases", "deep"),
        ("sales/2026-03-01.csv", "sales", "sales"),
        ("sales/2026-03-02.csv", "sales", "sales"),
        ("sales/till-north/x.csv", "sales", "till-north"),
    ]


def test_files_of_one_kind_are_listed_alone(folder):
    counts = ["counts/2026-03-01.csv", "counts/pos/2026-03-01.csv"]
    assert [file.name for file in list_drop(folder, "counts")] == counts
    folder.joinpath("movements/m.csv").unlink()
    assert list_drop(folder, "movements") == []


class _Remembering(MemoryFileSystem):
    """Lists a folder once and answers from memory from then on, as FTP's does."""

    protocol = "remembering"
    find = fsspec.AbstractFileSystem.find

    def ls(self, path, detail=True, **kwargs):
        if path not in self.dircache:
            self.dircache[path] = super().ls(path, detail=True, **kwargs)
        return self.dircache[path] if detail else [info["name"] for info in self.dircache[path]]

    def invalidate_cache(self, path=None):
        self.dircache.clear()


def test_a_file_that_comes_later_is_seen_though_the_file_system_remembers_what_it_listed(tmp_path):
    fsspec.register_implementation("remembering", _Remembering, clobber=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the library of paths does not know it
        root = UPath(f"remembering://later-{tmp_path.name}")
        fill(root)
        before = len(list_drop(root))
        fsspec.filesystem("memory").pipe(f"{root.path}/sales/later.csv", b"x")
        assert len(list_drop(root)) == before + 1


def test_each_file_is_read_as_it_lies_there(folder):
    for file in list_drop(folder):
        assert file.read() == FILES[file.name]
        assert file.size == len(FILES[file.name])


def test_files_outside_of_the_known_folders_are_named(folder):
    assert list_strays(folder) == ["README.txt"]


def test_a_file_is_understood_under_the_policy_of_its_source_or_kind(folder):
    files = {file.name: file for file in list_drop(folder)}
    policies = Policies(sources={"till-north": SourcePolicy(kind="sales", bad_rows="reject_rows")})
    lenient = parse_drop_file(files["sales/till-north/x.csv"], policies)
    assert (lenient.source, lenient.rejected, len(lenient.evidence)) == ("till-north", False, 1)
    assert parse_drop_file(files["sales/till-north/x.csv"], Policies()).rejected
    counted = parse_drop_file(files["counts/pos/2026-03-01.csv"], policies)
    assert counted.evidence.counts["source"].to_pylist() == ["pos"]


def test_a_local_file_knows_when_it_was_changed(tmp_path):
    fill(tmp_path)
    at = datetime(2026, 3, 1, 18, 0, tzinfo=UTC)
    os.utime(tmp_path / "movements" / "m.csv", (at.timestamp(), at.timestamp()))
    (file,) = [file for file in list_drop(str(tmp_path)) if file.kind == "movements"]
    assert file.modified_at == at
    assert parse_drop_file(file, Policies()).modified_at == at


def test_links_that_lead_out_of_the_folder_are_left_out(tmp_path):
    outside = tmp_path / "secret.csv"
    outside.write_bytes(b"sku,quantity,day\nA,1,2026-03-01\n")
    drop = tmp_path / "drop"
    (drop / "sales").mkdir(parents=True)
    (drop / "sales" / "link.csv").symlink_to(outside)
    (drop / "sales" / "up").symlink_to(tmp_path)
    (drop / "sales" / "circle").symlink_to(drop)
    (drop / "sales" / "gone.csv").symlink_to(drop / "nowhere.csv")
    (drop / "sales" / "real.csv").write_bytes(b"x")
    (drop / "sales" / "inside.csv").symlink_to(drop / "sales" / "real.csv")
    assert [file.name for file in list_drop(drop)] == ["sales/inside.csv", "sales/real.csv"]


def test_a_folder_behind_a_link_is_a_folder(tmp_path):
    fill(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert len(list_drop(tmp_path / "link")) == len(FILES)


def test_no_folder_is_an_error_and_an_empty_one_is_not(tmp_path):
    with pytest.raises(FileNotFoundError):
        list_drop(tmp_path / "nowhere")
    assert list_drop(tmp_path) == []


def test_names_with_blanks_and_other_scripts_are_names(tmp_path):
    path = tmp_path / "counts" / "متجر شمال" / "2026-03-01 #1 %20?.csv"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"sku,count\nA,1\n")
    (file,) = list_drop(tmp_path)
    assert file.source == "متجر شمال"
    assert file.read() == b"sku,count\nA,1\n"
