"""The process that decodes pictures: ``python -m edge_cifar.data.decode_worker``, asked by :mod:`.decoding`."""

from __future__ import annotations

from edge_cifar.data.decoding import Job, decode
from edge_cifar.errors import EdgeCifarError
from edge_cifar.processes import request_loop
from edge_cifar.processes.request_loop import Answer, Message


def handle(request: Message, answer: Answer) -> None:
    """Decode a job, given as JSON."""
    try:
        answer(decode(Job(**request)).to_json())
    except OSError as error:
        raise EdgeCifarError(f"{request['out']} cannot be written: {error.strerror}") from error


if __name__ == "__main__":
    request_loop.serve(handle)
