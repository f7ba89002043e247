"""Programs that a model wrote run here and nowhere else: shut in, limited, killed from outside.

    from mathlm.solving.sandbox import Sandbox, Session, sandbox
    sandbox("ans = 6 * 7").variables["ans"]         # TypedValue(type="int", value="42")
    async with Sandbox(workers=8) as box:
        result = await box.run(program)

Nothing beyond pip on Linux: a zygote process with SymPy loaded, one fork a program, namespaces,
Landlock, seccomp, rlimits. The levels and what each holds are in `inside.ground`.
"""

from mathlm.solving.sandbox.inside.confine import Limits
from mathlm.solving.sandbox.result import Level, ProgramResult, ProgramStatus
from mathlm.solving.sandbox.service import Sandbox, Session, sandbox

__all__ = ["Level", "Limits", "ProgramResult", "ProgramStatus", "Sandbox", "Session", "sandbox"]
