"""Reading tables that people and tills make: CSV, Parquet and ordinary workbooks, down to count sheets.

What belongs here: finding out what a file is, opening it into sheets of plain text cells, recognising the
header row, understanding numbers, times and codes column by column, and the rules of a count sheet. What does
not: what a sale or purchase means (``sources``), identity and policy of a delivery (``sources.files``), the
database.

Everything works on whole columns; only what is wrong is looked at row by row, so that a good file of half a
million rows costs about a second and a bad one names every bad row.
"""
