"""nbgrader's settings for the exercises of this book, for `python -m grading` and for nbgrader itself."""

import os
import sys
from pathlib import Path

from nbconvert.preprocessors import TagRemovePreprocessor
from nbgrader.converters import Autograde, GenerateAssignment
from nbgrader.preprocessors import Execute

from grading.worker import KeepWarnings

c = get_config()  # noqa: F821

# nbgrader runs the command alembic, which is installed beside this Python.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"

# What stands for a solution in the version for students, as in their notebooks.
c.ClearSolutions.code_stub = {"python": "...  # your answer here"}

# Solutions in words are cells with a tag, which nbgrader would leave in the version for students.
c.TagRemovePreprocessor.enabled = True
c.TagRemovePreprocessor.remove_cell_tags = {"solution"}
c.GenerateAssignment.preprocessors = [TagRemovePreprocessor, *GenerateAssignment.preprocessors.default()]

# nbgrader takes whatever a check wrote to stderr, be it the warning of a library, for a failure.
steps = Autograde.autograde_preprocessors.default()
steps.insert(steps.index(Execute) + 1, KeepWarnings)
c.Autograde.autograde_preprocessors = steps

# In feedback pages, what a student's code displayed comes without its scripts.
c.HTMLExporter.sanitize_html = True
