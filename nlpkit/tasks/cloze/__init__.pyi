from .run import ClozeRun as ClozeRun
from .task import CLOZE as CLOZE
