"""Reports: pages in one file with charts, and the charts as files of their own.

``page.Page`` puts a page together of sections; ``charts.line_chart``, ``charts.bar_chart`` and
``charts.scatter_chart`` make their charts, ``heat_map.HeatMap`` is one of hours by day, and
``draw_svg.to_svg`` draws one alone.
``run_report.folder_page`` returns the page of a run.
"""
