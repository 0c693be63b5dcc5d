"""Reports: pages in one file with charts, and the charts as files of their own.

:func:`page` puts a page together of sections; :func:`line_chart`, :func:`bar_chart` and
:func:`scatter_chart` make what stands in them.
"""

from cosim.report.charts import Point, bar_chart, line_chart, scatter_chart
from cosim.report.draw_svg import to_svg
from cosim.report.page import Section, alarm, cards, page, paragraph, preformatted, table
from cosim.report.run_report import write_report

__all__ = [
    "Point",
    "Section",
    "alarm",
    "bar_chart",
    "cards",
    "line_chart",
    "page",
    "paragraph",
    "preformatted",
    "scatter_chart",
    "table",
    "to_svg",
    "write_report",
]
