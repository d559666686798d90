"""What a process does with a rotation while those who asked for it do not wait, as JSON."""

from orchestrator.operations.carriers import Work
from orchestrator.views.problem import problem_json
from orchestrator.views.values import Json, iso


def work_json(work: Work) -> Json:
    """``rotation``, ``connection``, ``verb``, ``actor``, ``began_at``, ``ended_at`` (null while it is under way), and
    ``problem`` (why it was not done; null where it was).
    """
    about, error = work.rotation, work.error
    return {
        "rotation": about.id,
        "connection": about.connection,
        "verb": work.verb.value,
        "actor": work.actor,
        "began_at": iso(work.began_at),
        "ended_at": iso(work.ended_at),
        "problem": problem_json(error, error.next_action.about(rotation=about.id, connection=about.connection), None)
        if error
        else None,
    }
