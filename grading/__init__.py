"""Grades a class: an export of Moodle, Canvas or ILIAS in, points and pages out (book/instructors.md)."""
