"""Of several GPUs each job takes one that is free. No GPU is needed: torch is told of some."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch

from tristream import device
from tristream.errors import UserError

# Another job: it holds its GPU until it is told to end.
OTHER = """
import sys
from tristream.device import free_gpu
print(free_gpu(2), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The numbers that torch is told to compute on; locks lie in a folder of the test's."""
    taken: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(device, "_HELD", [])
    device.free_gpu.cache_clear()
    yield taken
    for descriptor in device._HELD:
        os.close(descriptor)
    device.free_gpu.cache_clear()


def other_job(folder: Path) -> tuple[subprocess.Popen[str], int]:
    job = subprocess.Popen(
        [sys.executable, "-c", OTHER],
        env={**os.environ, "TMPDIR": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert job.stdout
    return job, int(job.stdout.readline())


def test_jobs_take_different_gpus_and_let_them_go_when_they_end(two_gpus, tmp_path):
    first, one = other_job(tmp_path)
    assert one == 0
    assert [device.choose_device("auto"), device.choose_device("cuda")] == ["cuda", "cuda"]
    assert two_gpus == [1, 1]  # and keeps it
    third, three = other_job(tmp_path)
    assert three == third.pid % 2  # all are held
    for job in (first, third):
        job.communicate("")
    again, number = other_job(tmp_path)
    again.communicate("")
    assert number == 0


def test_one_gpu_needs_no_lock(two_gpus, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert device.choose_device("cuda") == "cuda"
    assert device.choose_device("cpu") == "cpu"
    assert two_gpus == []
    assert list(tmp_path.iterdir()) == []


def test_a_gpu_that_is_not_there_is_told(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device.choose_device("auto") == "cpu"
    with pytest.raises(UserError, match="no GPU"):
        device.choose_device("cuda")
