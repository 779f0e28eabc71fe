"""Files and data frames answered by many processes, on one machine or on many, by Dask."""

from nlpkit_dask.frames import make_answerer, score

__all__ = ["make_answerer", "score"]
