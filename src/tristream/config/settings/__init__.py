"""What each kind of job reads of the study: its config key.

One class a job. ``of(resolved, …)`` picks from the checked study what the job may know; the rule
names the settings in ``params`` (a change reruns it), the job gets them and no more, and they are
the ``config`` of the file that it writes.
"""
