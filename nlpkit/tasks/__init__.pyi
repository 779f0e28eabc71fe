from .base import Rows as Rows
from .base import Task as Task
from .base import Verb as Verb
from .base import resolve as resolve
from .items import Items as Items
from .items import Outcome as Outcome
from .metrics import Metrics as Metrics
from .metrics import Table as Table
