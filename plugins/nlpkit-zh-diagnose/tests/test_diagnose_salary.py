"""One column of a table from the others: which it is, how all are scaled, and what is measured."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from nlpkit import DataError, SettingError  # noqa: E402
from tiny_diagnoses import answer, asked_numbers, listening, losses, salary_table, trial_of  # noqa: E402

from nlpkit_diagnose.salary import Salary  # noqa: E402

pytestmark = pytest.mark.train
WAGES = [3000 + 50 * (at % 30) + 400 * (at % 4) for at in range(40)]


def rows_of(trial):
    """What the network reads of the rows to train on, and of those that are measured."""
    with listening(trial) as learnt:
        losses(trial)
    with listening(trial) as measured:
        trial.measure()
    return np.concatenate(learnt), np.concatenate(measured)


@pytest.mark.parametrize("target", ["工资", "薪资", "月薪", "salary", "Salary"])
def test_the_target_is_the_column_with_a_usual_name_wherever_it_stands(write, target):
    path = write(f"a,{target},b\n" + "".join(f"{at},{at + 7},{at % 3}\n" for at in range(12)))
    table = Salary(path).table
    assert list(table.columns) == ["a", "b", target]
    assert table.values.tolist() == [[at, at % 3, at + 7] for at in range(12)]


def test_the_target_may_be_any_column(salaries):
    assert list(Salary(salaries, "年龄").table.columns) == ["级别", "工龄", "工资", "年龄"]


@pytest.mark.parametrize(
    ("target", "sentence"),
    [("工资额", "has no column '工资额'; did you mean '工资'"), ("wage", "there is: 年龄, 级别, 工龄, 工资")],
)
def test_a_target_that_is_missing_is_named_with_the_columns_there_are(salaries, target, sentence):
    with pytest.raises(DataError, match=sentence) as caught:
        trial_of(Salary(salaries, target))
    assert str(salaries) in str(caught.value)


def test_a_table_without_a_usual_name_says_how_to_name_the_target(write):
    path = write(salary_table(header="a,b,c,price"))
    with pytest.raises(DataError, match=r"has no column '工资' .*there is: a, b, c, price") as caught:
        trial_of(Salary(path))
    assert "--target" in str(caught.value)


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8-sig", "utf-16"])
def test_a_table_may_be_encoded_as_spreadsheets_do(write, encoding):
    assert Salary(write(salary_table().encode(encoding))).table.values[:, -1].tolist() == WAGES


def test_features_are_scaled_by_the_rows_to_train_on_alone(salaries):
    learnt, measured = rows_of(trial_of(Salary(salaries)))
    assert learnt.shape[1] == measured.shape[1] == 3
    np.testing.assert_allclose(learnt[:, :2].mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(learnt[:, :2].std(0), 1, atol=1e-5)
    whole = np.concatenate([learnt, measured])[:, :2]
    assert np.abs(whole.mean(0)).min() > 1e-3


def test_a_column_that_never_changes_is_zero_throughout(salaries):
    learnt, measured = rows_of(trial_of(Salary(salaries)))
    np.testing.assert_allclose([*learnt[:, 2], *measured[:, 2]], 0, atol=1e-6)


def test_what_is_asked_of_a_row_is_its_target(write):
    path = write("a,工资\n" + "".join(f"{at},{100 + at}\n" for at in range(30)))
    trial = trial_of(Salary(path))
    learnt, _ = rows_of(trial)
    asked = np.array(asked_numbers(trial))
    slope, base = np.polyfit(learnt[:, 0], asked, 1)  # both are the same number, otherwise scaled
    np.testing.assert_allclose(asked, base + slope * learnt[:, 0], atol=1e-3)
    assert slope > 0
    assert asked.mean() == pytest.approx(1, abs=1e-3)


def test_errors_are_relative_to_what_is_right(salaries):
    trial = trial_of(Salary(salaries))
    answer(trial, 0.0)
    assert trial.measure().figures == pytest.approx(
        {"1 - relative error": 0.0, "1 - sum of errors / sum": 0.0}, abs=1e-3
    )
    answer(trial, 1.0)
    found = trial.measure()
    right, (always,) = found.curves["right"], set(found.curves["found"])
    assert {round(wage, 2) for wage in right} <= set(WAGES)
    wrong = [abs(always - wage) for wage in right]
    mean = sum(error / wage for error, wage in zip(wrong, right, strict=True)) / len(right)
    assert found.figures["1 - relative error"] == pytest.approx(1 - mean, abs=1e-4)
    assert found.figures["1 - sum of errors / sum"] == pytest.approx(1 - sum(wrong) / sum(right), abs=1e-4)


@pytest.mark.parametrize("zeros", [1, 10, 19])
def test_salaries_of_zero_leave_every_figure_a_number(write, zeros):
    path = write("a,salary\n" + "".join(f"{at},{(at >= zeros) * 100}\n" for at in range(20)))
    for seed in range(3):
        assert all(map(math.isfinite, trial_of(Salary(path), seed=seed).measure().figures.values()))


def test_equal_rows_are_in_one_part(write):
    trial = trial_of(Salary(write(salary_table(60))))  # every row twice
    learnt, measured = (set(map(tuple, np.round(rows[:, :2], 4).tolist())) for rows in rows_of(trial))
    assert learnt & measured == set()
    assert len(learnt) + len(measured) < 60


def test_a_seed_deals_out_the_rows_and_always_the_same(salaries):
    first, again, other = (rows_of(trial_of(Salary(salaries), seed=seed))[1].tolist() for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (salary_table(9), "has 9 rows and 4 columns of numbers: at least 10 and 2 are wanted"),
        ("salary\n" + "1\n" * 12, "has 12 rows and 1 columns of numbers: at least 10 and 2 are wanted"),
        (salary_table().replace("22,2,", "22,高,"), "line 4, 级别: expected a number such as -1234.5, found '高'"),
        ("a,工资\n" + "".join(f"{at},7\n" for at in range(12)), "工资 is 7 in every row: nothing is to be learnt"),
        ("a,工资,salary\n" + "1,2,3\n" * 12, "has 2 columns for '工资', 工资 and salary: rename all but one"),
        ("a,工资\n" + ",\n" * 12, "has no row in which a, 工资 are all there"),
    ],
)
def test_a_table_that_cannot_be_learnt_from_is_one_sentence_that_names_it(write, data, sentence):
    path = write(data)
    with pytest.raises(DataError, match=sentence) as caught:
        trial_of(Salary(path))
    assert str(path) in str(caught.value)


def test_rows_that_lack_a_number_are_left_out_and_told(write):
    task = Salary(write(salary_table() + "33,,0.1,4000\n34,1,0.1,null\n"))
    assert len(task.table.values) == 40
    assert task.findings([]) == ["2 of 42 rows were left out: a number is missing there"]


@pytest.mark.parametrize("assignment", ["data.test=1", "data.validation=0"])
def test_shares_that_leave_nothing_are_refused(salaries, assignment):
    with pytest.raises(SettingError, match="shares above 0 and below 1 together"):
        trial_of(Salary(salaries), assignment)
