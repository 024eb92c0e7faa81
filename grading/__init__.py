"""Grades a class: an export of Moodle or Canvas in, points and feedback pages out (book/instructors.md)."""
