import os
import time

from mathlm.solving.sandbox.inside import folders


def test_a_hostile_tree_is_removed_and_nothing_outside(tmp_path, monkeypatch):
    monkeypatch.setattr(folders.tempfile, "gettempdir", lambda: str(tmp_path))
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o750)
    (outside / "kept").write_text("kept")
    place = folders.make(None)
    os.symlink(outside, os.path.join(place, "link"))
    os.symlink(outside, os.path.join(place, "a-link"))
    os.mkfifo(os.path.join(place, "pipe"))
    here = os.open(place, os.O_RDONLY)
    for _ in range(400):  # paths far longer than PATH_MAX
        os.mkdir("d" * 200, dir_fd=here)
        inner = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=inner))
        os.symlink(outside, "link", dir_fd=inner)
        os.close(here)
        here = inner
    os.close(here)
    os.makedirs(os.path.join(place, "closed", "inner"))
    os.chmod(os.path.join(place, "closed", "inner"), 0)
    os.chmod(os.path.join(place, "closed"), 0)
    os.chmod(place, 0)
    folders.remove(place)
    assert os.listdir(tmp_path) == ["outside"]
    assert (outside / "kept").read_text() == "kept"
    assert outside.stat().st_mode & 0o777 == 0o750


def test_size_counts_all_files(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 100_000)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c").write_bytes(b"x" * 50_000)
    assert 150_000 <= folders.size(str(tmp_path)) < 250_000


def test_folders_of_dead_processes_are_swept(tmp_path, monkeypatch):
    monkeypatch.setattr(folders.tempfile, "gettempdir", lambda: str(tmp_path))
    kept = folders.make(None)
    pid = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(pid, 0)
    dead = tmp_path / f"{folders.PREFIX}{pid}-abc"
    dead.mkdir()
    (dead / "file").write_text("x")
    other = tmp_path / f"{folders.PREFIX}notes"
    other.mkdir()
    time.sleep(0)
    folders.sweep()
    assert sorted(os.listdir(tmp_path)) == sorted([os.path.basename(kept), other.name])
