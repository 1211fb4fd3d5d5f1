"""DuckDB: join on id, in the first table's order. `FOLDER wide|csv OUT.parquet`"""

import sys

import duckdb

folder, kind, out = sys.argv[1:]
suffix = "wide.parquet" if kind == "wide" else "csv"
duckdb.sql(
    f"""
    copy (
        select * from '{folder}/image.{suffix}'
        join '{folder}/text.{suffix}' using (id)
        join '{folder}/audio.{suffix}' using (id)
    ) to '{out}' (format parquet, compression uncompressed)
    """
)
