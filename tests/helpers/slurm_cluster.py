"""A real Slurm of one node, in a folder of its own, as root and without systemd.

Needs Debian's packages ``slurm-wlm`` and ``munge``. Nothing is written to ``/etc``: programs of
Slurm are called through scripts that name the configuration, since executors and nested job steps
drop ``SLURM_*`` from the environment.
"""

import os
import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from helpers import REPOSITORY

CLIENTS = ("sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo", "sacct", "sacctmgr", "sstat")
DAEMONS = ("munged", "slurmctld", "slurmd")
MEMORY = 8000
"""MB that the node says it has."""

CONFIGURATION = """\
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
SlurmdParameters=config_overrides
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,bf_interval=1,sched_min_interval=0,batch_sched_delay=0
ReturnToService=2
MinJobAge=3600
KillWait=2
GresTypes=gpu
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:1
PartitionName=cpu Nodes={host} Default=YES MaxTime=2880
PartitionName=short Nodes={host} MaxTime=60
PartitionName=gpu Nodes={host} MaxTime=1440
"""
"""One node with a graphics card by name, and the profile's partitions. It may say that it has more
CPUs than there are: what is tested is Snakemake's way through Slurm."""


EDITS = {
    "slurm": {
        "default-resources:\n  slurm_account: NAME\n": "slurm-no-account: true\n",
        "workflow/profiles/slurm/partitions.yaml": "{folder}/partitions.yaml",
    },
    "cluster-generic": {
        " --account=NAME --partition=NAME": " --partition=cpu",
        "workflow/profiles/cluster-generic/status.sh": "{folder}/status.sh",
    },
}
"""What a user edits of a profile: this cluster has no accounts."""


@dataclass(frozen=True)
class Cluster:
    """A Slurm that is at work.

    Attributes
    ----------
    folder : Path
        Where its state, logs and programs are.
    """

    folder: Path

    @property
    def programs(self) -> Path:
        """Folder that goes first in ``PATH``."""
        return self.folder / "bin"

    def call(self, *command: str) -> str:
        """What one of Slurm's programs prints."""
        program = str(self.programs / command[0])
        done = subprocess.run(
            [program, *command[1:]], capture_output=True, text=True, timeout=30, check=True
        )
        return done.stdout

    def jobs(self) -> list[dict[str, str]]:
        """All jobs so far, as ``scontrol`` tells them: key to value."""
        lines = self.call("scontrol", "--oneliner", "show", "jobs").splitlines()
        pairs = ([word.partition("=") for word in line.split()] for line in lines)
        return [{key: value for key, _, value in line} for line in pairs if len(line) > 2]

    def logs(self) -> str:
        """The ends of the logs, for a failure."""
        ends = (
            f"== {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-30:])
            for path in sorted(self.folder.glob("*.log"))
        )
        return "\n".join(ends)


@contextmanager
def slurm(folder: Path, cpus: int = 4) -> Iterator[Cluster]:
    """Start a cluster of one node in `folder` (a short path: sockets lie in it), and stop it.

    Whatever happens in between, no daemon and no job is left.
    """
    missing = [name for name in DAEMONS if not _program(name)]
    assert not missing, f"{missing}: apt-get install --no-install-recommends slurm-wlm munge"
    assert os.geteuid() == 0, "slurmd here starts jobs as root"
    folder.mkdir(exist_ok=True)
    folder = folder.resolve()
    folder.chmod(0o755)
    for name in ("state", "spool", "bin"):
        (folder / name).mkdir()
    with socket.socket() as one, socket.socket() as two:
        for free in (one, two):
            free.bind(("127.0.0.1", 0))
        ports = [free.getsockname()[1] for free in (one, two)]
    host = socket.gethostname().partition(".")[0]
    text = CONFIGURATION.format(folder=folder, host=host, ports=ports, cpus=cpus, memory=MEMORY)
    configuration = folder / "slurm.conf"
    configuration.write_text(text)
    (folder / "gres.conf").write_text(f"NodeName={host} Name=gpu File=/dev/null\n")
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    for name in CLIENTS:
        script = folder / "bin" / name
        script.write_text(
            f'#!/bin/sh\nSLURM_CONF={shlex.quote(str(configuration))} exec {_program(name)} "$@"\n'
        )
        script.chmod(0o755)
    started: list[subprocess.Popen[bytes]] = []
    cluster = Cluster(folder)
    try:
        munge = [f"--{what}-file={folder}/munge.{what}" for what in ("key", "pid", "seed", "log")]
        _start(
            started,
            folder,
            "munged",
            "--foreground",
            "--force",
            *munge,
            f"--socket={folder}/munge.socket",
        )
        _wait(folder / "munge.socket", started)
        _start(started, folder, "slurmctld", "-D", "-f", str(configuration))
        _start(started, folder, "slurmd", "-D", "-f", str(configuration), "-N", host)
        _until_idle(cluster, started)
        yield cluster
    finally:
        _stop(cluster, started)


def profile(folder: Path, name: str) -> Path:
    """A shipped profile in `folder`, edited as a user of this cluster would."""
    shutil.copytree(REPOSITORY / "workflow/profiles" / name, folder)
    config = folder / "config.yaml"
    text = config.read_text()
    for line, ours in EDITS[name].items():
        assert text.count(line) == 1, f"{config}: {line}"
        text = text.replace(line, ours.format(folder=folder))
    config.write_text(text)
    return folder


def _program(name: str) -> str | None:
    return shutil.which(name, path=os.pathsep.join(["/usr/sbin", "/usr/bin", os.environ["PATH"]]))


def _start(
    started: list[subprocess.Popen[bytes]], folder: Path, name: str, *arguments: str
) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SLURM_")}
    environment["SLURM_CONF"] = str(folder / "slurm.conf")  # beside it lies gres.conf
    with (folder / f"{name}.out.log").open("wb") as log:
        command = [str(_program(name)), *arguments]
        started.append(
            subprocess.Popen(command, env=environment, stdout=log, stderr=log, process_group=0)
        )


def _alive(started: Sequence[subprocess.Popen[bytes]], folder: Path) -> None:
    for process in started:
        assert process.poll() is None, f"{process.args}\n{Cluster(folder).logs()}"


def _wait(path: Path, started: Sequence[subprocess.Popen[bytes]], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        _alive(started, path.parent)
        assert time.monotonic() < end, Cluster(path.parent).logs()
        time.sleep(0.05)


def _until_idle(
    cluster: Cluster, started: Sequence[subprocess.Popen[bytes]], seconds: float = 40
) -> None:
    end = time.monotonic() + seconds
    state = ""
    while not state.startswith("idle"):
        _alive(started, cluster.folder)
        assert time.monotonic() < end, f"{state}\n{cluster.logs()}"
        time.sleep(0.2)
        try:
            state = cluster.call("sinfo", "--noheader", "--format=%t")
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            continue


def _stop(cluster: Cluster, started: Sequence[subprocess.Popen[bytes]]) -> None:
    """End all jobs, then all daemons, and kill what did not end."""
    if len(started) == len(DAEMONS):
        try:
            cluster.call("scancel", "--user=root")
            end = time.monotonic() + 15
            while cluster.call("squeue", "--noheader") and time.monotonic() < end:
                time.sleep(0.2)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            pass
    for number, seconds in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
        for process in reversed(started):
            if process.poll() is None:
                os.killpg(process.pid, number)
        end = time.monotonic() + seconds
        while any(p.poll() is None for p in started) and time.monotonic() < end:
            time.sleep(0.05)
