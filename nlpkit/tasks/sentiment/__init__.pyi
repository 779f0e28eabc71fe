from .comparison import make_items as make_items
from .metrics import ClassMetrics as ClassMetrics
from .metrics import measure as measure
from .objective import Classification as Classification
from .run import SentimentRun as SentimentRun
from .settings import ClassifierTraining as ClassifierTraining
from .several import SeveralMetrics as SeveralMetrics
from .task import SENTIMENT as SENTIMENT
