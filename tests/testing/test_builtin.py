"""What comes with nlpkit keeps what is asked of strangers."""

import pytest

from nlpkit.testing import CheckError, NotChecked, find_targets, list_checks, list_subjects

SUBJECTS = list_subjects(find_targets("nlpkit-zh"))
TRIED = [(subject, check) for subject in SUBJECTS for check in list_checks(subject.kind)]
ELSEWHERE = {  # tests/training exports these on real rows, and torch takes seconds for each
    "embedding ngrams",
    "encoder none",
    "encoder rnn",
    "encoder gru",
}
SLOW = {("jieba", "determinism"), ("jieba", "config")}  # each makes one more, in a second; files tells as much
CHOSEN = [
    (subject, check)
    for subject, check in TRIED
    if not (check.name == "export" and str(subject) in ELSEWHERE) and (subject.name, check.name) not in SLOW
]


TESTS = [
    pytest.param(
        subject, check, marks=[pytest.mark.slow] if check.name == "export" else [], id=f"{subject}: {check.name}"
    )
    for subject, check in CHOSEN
]


@pytest.mark.parametrize(("subject", "check"), TESTS)
def test_it_conforms(subject, check):
    try:
        check.run(subject)
    except NotChecked as reason:
        pytest.skip(str(reason))
    except CheckError as error:
        pytest.fail(f"{subject}: {error}")
