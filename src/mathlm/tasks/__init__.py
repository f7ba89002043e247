"""One file a benchmark: its data, prompt and kind of answer."""

from __future__ import annotations

from mathlm.tasks.aqua import AQUA
from mathlm.tasks.arithmetic import ARITHMETIC_SEEN, ARITHMETIC_UNSEEN
from mathlm.tasks.asdiv import ASDIV, ASDIV_A
from mathlm.tasks.contests import AIME_24, AIME_25, AMC_23, CONTEST
from mathlm.tasks.dataset import Found as Found
from mathlm.tasks.dataset import Where as Where
from mathlm.tasks.deepmind import DEEPMIND
from mathlm.tasks.gsm8k import GSM8K, GSM8K_PYTHON
from mathlm.tasks.gsm_hard import GSM_HARD
from mathlm.tasks.hendrycks_math import MATH, MATH_500, MATH_PYTHON
from mathlm.tasks.mawps import ADDSUB, MULTIARITH, SINGLEEQ, SINGLEOP
from mathlm.tasks.mmlu import MMLU_MATH, MMLU_STEM
from mathlm.tasks.numglue import NUMGLUE
from mathlm.tasks.ocw import OCW
from mathlm.tasks.prompt import Prompt as Prompt
from mathlm.tasks.sat import SAT
from mathlm.tasks.sat_math import SAT_MATH
from mathlm.tasks.simuleq import SIMULEQ
from mathlm.tasks.svamp import SVAMP
from mathlm.tasks.task import Task as Task

_TASKS = (
    ARITHMETIC_SEEN, ARITHMETIC_UNSEEN, GSM8K, GSM8K_PYTHON, GSM_HARD, MATH, MATH_PYTHON, MATH_500,
    OCW, SAT, SAT_MATH, MMLU_STEM, MMLU_MATH, AQUA, SVAMP, ASDIV, ASDIV_A, SINGLEOP, SINGLEEQ,
    ADDSUB, MULTIARITH, NUMGLUE, SIMULEQ, DEEPMIND, AIME_24, AIME_25, AMC_23, CONTEST,
)  # fmt: skip
TASKS: dict[str, Task] = {task.name: task for task in _TASKS}
"""Every benchmark by the name that recipes and commands use."""
