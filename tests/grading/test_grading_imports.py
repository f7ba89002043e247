"""Grading on a bare machine: no torch, no network, no parser but the standard library's."""

import subprocess
import sys

_CODE = r"""
import socket, sys

def refused(*_, **__):
    raise AssertionError("the network was asked")

class Barred:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "transformers", "pyarrow", "numpy", "sympy"}:
            raise AssertionError(f"{name} was imported")

socket.socket.connect = socket.getaddrinfo = socket.create_connection = refused
sys.meta_path.insert(0, Barred())
from mathlm import grade
from mathlm.cli import main
from mathlm.grading import POLICIES
from mathlm.grading.reward import reward_function

said = "Final Answer: The final answer is $7$."
for policy in ("default", "llemma", "minerva", "prm800k"):
    assert grade("\\boxed{7}", said, policy=policy).status == "correct"
assert grade("\\frac{1}{2}", "so it is 0.5").status == "correct"
assert grade("(1,2]", "1 < x \\le 2").status == "correct"
assert reward_function()(completions=["It is 3."], answer=["3"]) == [1.0]
assert main(["grade", "--gold", "1/2", "--answer", "0.5", "--json"]) == 0
"""


def test_grading_needs_neither_torch_nor_numpy_nor_a_network():
    environment = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", _CODE], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
