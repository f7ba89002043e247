"""The prompts of published evaluations, by file and sha256; none of their text is here.

Formats (what follows the file's text, and the stops) are those of the released code: Llemma's fork
of lm-evaluation-harness (wellecks, bec2172), DeepSeek-Math's evaluation (b8b0f8c), PAL
(reasoning-machines, f81ca2a), program of thoughts (wenhuchen, 850399c), ToRA (microsoft, 213c1c9),
MAmmoTH's templates (TIGER-AI-Lab, 9c67cb1).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial

from mathlm.core.errors import UserError
from mathlm.tasks.prompt import Prompt, Published, listed

_HARNESS = "wellecks/lm-evaluation-harness bec2172, {}"
_DEEPSEEK = "deepseek-ai/DeepSeek-Math b8b0f8c, evaluation/few_shot_prompts/{}.py"
_TORA = "microsoft/ToRA 213c1c9, src/prompts/{}"
_POT = "wenhuchen/Program-of-Thoughts 850399c, {}.py"
_PAL = "reasoning-machines/pal f81ca2a, pal/prompt/math_prompts.py"
_MAMMOTH = "TIGER-AI-Lab/MAmmoTH2 9c67cb1, math_eval/prompt_utils.py"
_HOPE = ("I hope it is correct.",)
_PROGRAM = " Let's write a program."
_ALPACA_STOPS = ("### Instruction",)


def answer_choices(choices: Sequence[str]) -> str:
    """Choices as MAmmoTH's examples have them, on a line after the question."""
    return "\nAnswer Choices:" + listed(choices).replace("\n", " ")


def _llemma(file: str, sha256: str, shots: int, *, part: Callable[[str], str] = str) -> Published:
    return Published(f"llemma/{file}", sha256, _HARNESS.format("lm_eval/tasks"), shots, part=part)


def _asking_choice(choices: str, text: str) -> str:
    """The text and the question in the form of its shots; their third line asks for a choice."""
    return f"{text}\n\nProblem:\n{{question}}\n{text.splitlines()[2]}\n{choices}\nSolution:"


def _asking_program(text: str) -> str:
    """The text and the question in the form of its shots, up to the opened block."""
    instruction, fence, _ = text.partition("\n\n")[2].partition("```")
    return f"{text}\n\nProblem:\n{{question}}\n\n{instruction}{fence}"


def _joined(text: str) -> str:
    """ToRA's way to read a prompt: its edges trimmed, an empty line after it."""
    return text.strip() + "\n\n"


def _tora(file: str, sha256: str, shots: int) -> Published:
    name = file.removesuffix(".md").replace("_", "/") + ".md"
    return Published(f"tora/{file}", sha256, _TORA.format(name), shots, part=_joined)


LLEMMA_MATH = Prompt(
    (), "\n\nProblem:\n{question}\n\nSolution:", "", _HOPE,
    published=_llemma("minerva_math_4shot.txt",
        "00e83b645e0473fc5787e78afe3e452786f8f260cf7623f3aa9f93a792989806", 4),
)  # fmt: skip
LLEMMA_GSM8K = Prompt(
    (), "\n\nQ: {question}\nA:", "", ("\n\n",),
    published=_llemma("gsm8k_cot_8shot.txt",
        "10ac6d4e9c9ed3ab67597ef071a95fc1dfeb51c5249f97b1e8dcc0d9b0da556b", 8),
)  # fmt: skip
LLEMMA_OCW = Prompt(
    (), "\n\nProblem:\n{question}\nSolution:", "", _HOPE,
    published=_llemma("ocw_courses_4shot.txt",
        "25503d230bd17bc253696a562603365fa87c6bb43c898aaa1e09e43467a1ef11", 4),
)  # fmt: skip
LLEMMA_MMLU = Prompt(
    (), "", "", _HOPE,
    published=_llemma("mmlu_stem_mcqa_4shot.txt",
        "859846f64a052437912a44379850710a2ca7f6745946227b6bfbafa09b19de5a", 4,
        part=partial(_asking_choice, "{choices}")),
)  # fmt: skip
LLEMMA_SAT = Prompt(
    (), "", "", _HOPE,
    published=_llemma("sat_mcqa_4shot.txt",
        "859846f64a052437912a44379850710a2ca7f6745946227b6bfbafa09b19de5a", 4,
        part=partial(_asking_choice, "{header}")),
)  # fmt: skip
LLEMMA_GSM8K_PROGRAM = Prompt(
    (), "", "", ("Q:",), program_form="solution",
    published=_llemma("python_gsm8k_pal_8shot.txt",
        "810703a871ff526a4297faa1fab7d07215a6865cf280d134f251ed9afd6862fa", 8),
)  # fmt: skip
LLEMMA_MATH_PROGRAM = Prompt(
    (), "", "", ("I hope my solution is correct.",), program_form="blocks",
    published=_llemma("sympy_math_5shot.txt",
        "d532ff701a4bf9e48cd32e9c1abf17917c5842de0cdcf2a2d9fb4a3def12a953", 5,
        part=_asking_program),
)  # fmt: skip


def _minerva(file: str, sha256: str, question: str, module: str) -> Prompt:
    choice = partial(_asking_choice, "{choices}")
    published = Published(
        f"minerva/{file}", sha256, _DEEPSEEK.format(module), 4, part=str if question else choice
    )
    return Prompt((), question, "", ("\nProblem:",), published=published)


MINERVA_MATH = _minerva(
    "math_4shot.txt", "4743061e8393cca1dcd805138b1ab15f0d72844392f2cc5aae511e978cced3a3",
    "\n\nProblem:\n{question}\n\nSolution:", "cot_minerva_math_4_shot",
)  # fmt: skip
MINERVA_OCW = _minerva(
    "ocw_4shot.txt", "eee4808cc0a47384f59be4dd38b38b4c95cb1553e8c89e54e8cf873dc5ba7882",
    "\n\nProblem:\n{question}\nSolution:", "cot_ocwcourses_4_shot",
)  # fmt: skip
MINERVA_MMLU = _minerva(
    "mmlu_stem_4shot.txt", "4a8070c9e3499b93b6c3a5b3d5130f5d82edeb2a570f33903c686441aff48ea7",
    "", "cot_mmlu_stem_4_shot",
)  # fmt: skip
MINERVA_SAT = _minerva(
    "sat_4shot.txt", "4a8070c9e3499b93b6c3a5b3d5130f5d82edeb2a570f33903c686441aff48ea7",
    "", "cot_math_sat_4_shot",
)  # fmt: skip
DEEPSEEK_GSM8K = Prompt(
    (), "\n\n\nQ: {question}\nA:", "", ("\nQ:",),
    published=Published("cot/gsm8k_8shot.txt",
        "ff948dd847eb04493af0d564ed2b70fbb51197936c94eaa5f599cbb042bf1878",
        _DEEPSEEK.format("cot_gsm_8_shot"), 8),
)  # fmt: skip
DEEPSEEK_GSM8K_PROGRAM = Prompt(
    (), "\n\n\n\n\n\nQ: {question}\n\n# solution in Python:", "", ("\nQ:", "Q: "),
    program_form="solution",
    published=Published("pal/gsm8k_8shot.txt",
        "13505b60b6dbab40e1cb6b75cb97c8755dcaf3dcad31d9ea91ada6386d7315e5",
        _DEEPSEEK.format("pal_gsm_8_shot"), 8),
)  # fmt: skip
PAL_GSM8K = Prompt(
    (), "", "", ("\n\n\n",), program_form="solution",
    published=Published("pal/pal_gsm_original.txt",
        "15d580a1389a9a6afb21e3c58f90f1b9db794bee7dfc5113aa92c98156b97225",
        _PAL, 8),
)  # fmt: skip
PAL_CHAT = Prompt(
    (), "", "", (), program_form="solution", chat=True,
    system=Published("pal/pal_chat_system.txt",
        "f5769debcdf873511e205b0c3e3fd8dc8456b23b2a31ab7accc3f80d0ac7a42c", _PAL, 0),
    published=Published("pal/pal_chat_prompt.txt",
        "4f117870ae559c1efeb17d225fb42206e32197ae7e2debbc92249d5579d46ea7",
        _PAL, 3),
)  # fmt: skip
POT_GSM8K = Prompt(
    (), "\nQuestion: {question}\n# Python code, return ans\n", "", ("\n\n",), answer_name="ans",
    published=Published("pot/gsm8k_fewshot.txt",
        "0f10cbc5ae049ad2c2d222addf20feb9cda0f4521d4bfd937692d82509514b35",
        _POT.format("run_gsm8k"), 9),
)  # fmt: skip
POT_SVAMP = Prompt(
    (), "\n# Passage: {header}\n# Question: {asked}\n", "", ("\n\n",), answer_name="ans",
    published=Published("pot/svamp_fewshot.txt",
        "909b601e19e9f21b4f8aaacac97652447696ac185ad4a2d58cecf9d6ed8a8ae2",
        _POT.format("run_svamp"), 7),
)  # fmt: skip
POT_AQUA = Prompt(
    (), "\n# Question: {question}\n# Answer option: {header}", "", ("\n\n",), answer_name="ans",
    published=Published("pot/aqua_4shot.txt",
        "d94d0975cf3290bc99b7658fa40c1e6aa5353ca034785d20af918c6c332c7b78",
        _POT.format("run_aqua"), 8),
)  # fmt: skip
_TORA_STOPS = ("---", "```output")
TORA_GSM8K = Prompt(
    (), "Question: {question}\nAnswer:", "", (*_TORA_STOPS, "\n\n"),
    published=_tora("cot_gsm8k.md",
        "2e058fda4c0737a2c86b2f2c8e09da09af8f7a6497c055d2069e83f869123a7d", 8),
)  # fmt: skip
TORA_MATH = Prompt(
    (), "Question: {question}\nAnswer:", "", (*_TORA_STOPS, "\n\n"),
    published=_tora("cot_math.md",
        "2afcc2e95212edb0241c4315e127c893880a45e79033db873acba33bae5cdab2", 8),
)  # fmt: skip
TORA_GSM8K_PAL = Prompt(
    (), "Question: {question}", "", _TORA_STOPS, program_form="solution",
    published=_tora("pal_gsm8k.md",
        "cb3eebfbdb3039531664df3901664d0434c461a20b9560cce54270c7c8bfab70", 3),
)  # fmt: skip
TORA_MATH_PAL = Prompt(
    (), "Question: {question}", "", _TORA_STOPS, program_form="solution",
    published=_tora("pal_math.md",
        "bcbbcbf90a63a55567ba9d876625cefe7bd6a78a3df82231fe3e8d2949393c68", 4),
)  # fmt: skip
TORA_GSM8K_TOOL = Prompt(
    (), "Question: {question}\n\nSolution:", "", _TORA_STOPS, program_form="print",
    published=_tora("tora_gsm8k.md",
        "dac79c873da102e6ad1dd093aef4282e0d8987e6e117ee7a3cbd77b7ec39ec3a", 3),
)  # fmt: skip
TORA_MATH_TOOL = Prompt(
    (), "Question: {question}\n\nSolution:", "", _TORA_STOPS, program_form="print",
    published=_tora("tora_math.md",
        "0709eb10fe1c37c3d06a00dbfb4fd617c875720ec426cf03bdd5dcfbd9d9fbac", 5),
)  # fmt: skip


def _template(name: str, suffix: str, text: str) -> str:
    """One of MAmmoTH's templates without worked examples, the question's place in it."""
    for line in text.splitlines():
        template = json.loads(line)
        if template["name"] == name:
            whole = template["head"] + template["question"]
            return str(whole).replace("{query}", "{question}" + suffix)
    raise UserError(f"the published templates have none named {name}")


def _mammoth(part: Callable[[str], str]) -> Published:
    return Published(
        "mammoth/templates.jsonl",
        "8ee6e28af1c34aedbb7772c92deff06463a4cb2cd835ce34aeddb46758f1b159",
        _MAMMOTH, 0, part=part,
    )  # fmt: skip


MAMMOTH = {
    "cot.mammoth": Prompt(
        (), "", "", _ALPACA_STOPS, published=_mammoth(partial(_template, "alpaca", ""))
    ),
    "program.mammoth": Prompt(
        (), "", "", _ALPACA_STOPS, program_form="print",
        published=_mammoth(partial(_template, "alpaca", _PROGRAM)),
    ),
}  # fmt: skip
MAMMOTH_CHOICE = {
    "cot.mammoth": Prompt(
        (), "", "", _ALPACA_STOPS, choices=answer_choices,
        published=_mammoth(partial(_template, "alpaca_mc", "{choices}")),
    ),
    "program.mammoth": Prompt(
        (), "", "", _ALPACA_STOPS, program_form="print",
        choices=answer_choices,
        published=_mammoth(partial(_template, "alpaca", "{choices}" + _PROGRAM)),
    ),
}  # fmt: skip
