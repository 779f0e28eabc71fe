from .metrics import measure_texts as measure_texts
from .run import GenerationRun as GenerationRun
from .task import GENERATE as GENERATE
