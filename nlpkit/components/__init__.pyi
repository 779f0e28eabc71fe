from .embedding_layers import TokenDropout as TokenDropout
from .vectors import TokenFilter as TokenFilter
from .vectors import VectorFile as VectorFile
from .vectors import open_vector_file as open_vector_file
from .vectors import refuse_other_encodings as refuse_other_encodings
from .vectors import spell_tokens as spell_tokens
