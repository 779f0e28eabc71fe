"""The conformance kit: what every plugin must keep, as plain functions that need no pytest.

    from nlpkit.testing import find_targets, list_subjects, run

    for result in run(list_subjects(find_targets("nlpkit-zh-runs"))):
        print(result.subject, result.check.name, result.outcome, result.sentence)

`nlpkit plugins check` runs it from the shell; `nlpkit.testing.plugin` makes tests of it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
