from .auditing import Audit as Audit
from .auditing import Finding as Finding
from .auditing import audit as audit
from .rows import AuditRows as AuditRows
from .rows import read_corpora as read_corpora
