"""What an interrupted install left half-written."""

from __future__ import annotations

from pathlib import Path

from lib.course.installation.mending import is_whole, remove_half_installed


def distribution(site: Path, name: str, *, size: int = 4, record: bool = True, metadata: bool = True) -> Path:
    """A distribution of one file that holds four bytes, recorded with `size`."""
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (site / f"{name}.py").write_text("1234")
    if metadata:
        (info / "METADATA").write_text(f"Name: {name}")
    if record:
        (info / "RECORD").write_text(f"{name}.py,sha256=x,{size}\n__pycache__/{name}.pyc,,\n{info.name}/RECORD,,\n")
    return info


def test_only_distributions_that_are_not_wholly_there_are_removed(tmp_path):
    whole = distribution(tmp_path, "whole")
    distribution(tmp_path, "no_record", record=False)
    distribution(tmp_path, "no_metadata", metadata=False)
    distribution(tmp_path, "truncated", size=9)
    distribution(tmp_path, "missing")
    (tmp_path / "missing.py").unlink()
    (tmp_path / "~et_aside").mkdir()
    assert is_whole(whole)
    assert sorted(remove_half_installed(tmp_path)) == ["missing", "no_metadata", "no_record", "truncated"]
    assert [path.name for path in tmp_path.glob("*.dist-info")] == [whole.name]
    assert not (tmp_path / "~et_aside").exists()
    assert remove_half_installed(tmp_path) == []
