"""What a student must not see of an exercise."""

from tools import exercises as tool
from tools.notebooks import read


def secrets(source):
    """What only the instructor's notebook has: lines of solutions, and how solved exercises are told."""
    notebook = read(source)
    public = "\n".join("".join(cell["source"]) for cell in tool.student(notebook)["cells"])
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        if tool.SOLUTION in cell["metadata"].get("tags", []):
            lines = text.splitlines()
        else:
            lines = [line for region in tool.REGION.finditer(text) for line in region[0].splitlines()]
        yield from (line.strip() for line in lines if len(line) > 20 and line.strip() not in public)
