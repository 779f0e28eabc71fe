"""All tasks, in the order in which they are listed."""

from __future__ import annotations

from nlpkit_diagnose.ball import Ball
from nlpkit_diagnose.digit_sum import DigitSum
from nlpkit_diagnose.letters import Letters
from nlpkit_diagnose.salary import Salary
from nlpkit_diagnose.sine import Sine
from nlpkit_diagnose.stock import Stock

TASKS = (DigitSum, Letters, Ball, Sine, Stock, Salary)
