"""Many pictures decoded into one file of images, on all processors."""

from __future__ import annotations

import hashlib
import os
import queue
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from edge_cifar import machine
from edge_cifar.data import pictures
from edge_cifar.errors import DataError, NoPlugin
from edge_cifar.processes.launch import ONE_THREAD, worker_command
from edge_cifar.processes.worker import RefusedError, Worker, WorkerError
from edge_cifar.processes.worker_pool import WorkerPool
from edge_cifar.progress import Advance

WORKER = worker_command("edge_cifar.data.decode_worker")
# A tenth of a second's work or more, so that asking costs nothing; few enough that all workers end together.
_FILES_AT_ONCE = 32
# Less is decoded here before workers have started.
_FEWEST_BYTES = 16 << 20
NOT_READABLE = "that are not readable images"


@dataclass(frozen=True, kw_only=True)
class Job:
    """Pictures to decode.

    Attributes:
        root: the names are relative to it.
        names: of the files.
        first: number of the image that the first of them becomes; the others follow.
        height: of every image, in pixels.
        width: likewise.
        out: the file that they are written into.
        offset: where in it image 0 begins, in bytes.
    """

    root: str
    names: Sequence[str]
    first: int
    height: int
    width: int
    out: str
    offset: int

    def part(self, start: int, stop: int) -> Job:
        """Some of the files."""
        return replace(self, names=self.names[start:stop], first=self.first + start)


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """What became of pictures, by the numbers of the images.

    Attributes:
        digests: SHA-256 of each image's bytes, in hexadecimal.
        remarks: what was assumed of the values of some.
        unreadable: why others could not be decoded: a reason that many may share, and a sentence on this one.
    """

    digests: dict[int, str] = field(default_factory=dict)
    remarks: dict[int, str] = field(default_factory=dict)
    unreadable: dict[int, tuple[str, str]] = field(default_factory=dict)

    def add(self, other: Decoded) -> None:
        """Take in what became of others."""
        self.digests.update(other.digests)
        self.remarks.update(other.remarks)
        self.unreadable.update(other.unreadable)

    def to_json(self) -> dict[str, Any]:
        """What a worker answers."""
        return {name: list(values.items()) for name, values in vars(self).items()}

    @classmethod
    def from_json(cls, answer: Mapping[str, Any]) -> Decoded:
        """What :meth:`to_json` wrote."""
        unreadable = {number: (reason, sentence) for number, (reason, sentence) in answer["unreadable"]}
        return cls(digests=dict(answer["digests"]), remarks=dict(answer["remarks"]), unreadable=unreadable)


def decode(job: Job) -> Decoded:
    """Decode pictures, one after the other, into the file."""
    done = Decoded()
    size = job.height * job.width * 3
    out = os.open(job.out, os.O_WRONLY)
    try:
        for number, name in enumerate(job.names, start=job.first):
            try:
                photograph = pictures.decode(Path(job.root, name), target=(job.height, job.width))
                pixels = np.ascontiguousarray(photograph.fitted(height=job.height, width=job.width).pixels)
            except DataError as error:
                advice = f"that cannot be read: {error.advice}" if isinstance(error, NoPlugin) else NOT_READABLE
                done.unreadable[number] = (advice, str(error))
                continue
            os.pwrite(out, pixels.data, job.offset + number * size)
            done.digests[number] = hashlib.sha256(pixels.data).hexdigest()
            if photograph.remark:
                done.remarks[number] = photograph.remark
    finally:
        os.close(out)
    return done


def decode_all(job: Job, sizes: Sequence[int], advance: Advance) -> Decoded:
    """Decode pictures, side by side where there are many; a picture that crashes its decoder costs only itself.

    Args:
        job: all the pictures.
        sizes: of their files, in bytes.
        advance: told of pictures that are done.
    """
    done = Decoded()
    parts = [job.part(start, start + _FILES_AT_ONCE) for start in range(0, len(job.names), _FILES_AT_ONCE)]
    if sum(sizes) < _FEWEST_BYTES:
        for part in parts:
            done.add(decode(part))
            advance(len(part.names))
        return done
    waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
    for part in parts:
        waiting.put(part)
    results: queue.SimpleQueue[tuple[int, Decoded] | Exception] = queue.SimpleQueue()
    cores = machine.usable_cores()
    with WorkerPool(cores) as pool:
        for _ in range(cores):
            pool.submit(_decode_in_worker, pool, waiting, results)
        left = len(job.names)
        while left:
            result = results.get()
            if isinstance(result, Exception):
                raise result
            files, decoded = result
            done.add(decoded)
            left -= files
            advance(files)
    return done


def _decode_in_worker(
    pool: WorkerPool, waiting: queue.SimpleQueue[Job], results: queue.SimpleQueue[tuple[int, Decoded] | Exception]
) -> None:
    """Take part after part until none is left."""
    try:
        while True:
            with pool.worker(WORKER, ONE_THREAD) as worker:
                _ask(worker, Job(root="", names=(), first=0, height=1, width=1, out=os.devnull, offset=0))
                while True:
                    part = waiting.get_nowait()
                    try:
                        decoded = _ask(worker, part)
                    except RefusedError:
                        raise
                    except WorkerError as crash:
                        if len(part.names) > 1:
                            # One after the other, until it is known which one it was.
                            for number in range(len(part.names)):
                                waiting.put(part.part(number, number + 1))
                            break
                        sentence = f"{Path(part.root, part.names[0])} cannot be decoded: the decoder's process {crash}"
                        decoded = Decoded(unreadable={part.first: (NOT_READABLE, sentence)})
                        results.put((1, decoded))
                        break
                    results.put((len(part.names), decoded))
    except queue.Empty:
        return
    except Exception as error:  # whoever waits for the results is told
        results.put(error)


def _ask(worker: Worker, part: Job) -> Decoded:
    return Decoded.from_json(worker.ask(asdict(part)))
