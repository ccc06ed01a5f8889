"""What was measured, as a table for people and as JSON."""
import json
import statistics

from works import LIMITS


class Figures:
    """The runs of one entry of a row."""

    def __init__(self, entry, share):
        self.label, self.share = entry.label, share
        self.part = entry.share  # of what the row's text says
        self.ours = entry.program == "luas" and entry.label not in LIMITS
        self.runs, self.peaks, self.error = [], [], None

    def add(self, run):
        if run.error:
            self.error = run.error
        else:
            self.runs.append(run.seconds / self.share)
            if run.peak is not None:
                self.peaks.append(run.peak)

    @property
    def measured(self):
        return self.error is None and bool(self.runs)

    @property
    def median(self):
        return statistics.median(self.runs)

    @property
    def peak(self):
        return statistics.median(self.peaks) if self.peaks else None

    @property
    def spread(self):
        """Half of the way from the quickest run to the slowest, of the median."""
        return (max(self.runs) - min(self.runs)) / 2 / self.median


def by_label(figures, label):
    return next((f for f in figures if f.label == label and f.measured), None)


def judge(row, figures):
    """(target, value or None) for each target of the row."""
    def of(label, what="median"):
        return getattr(by_label(figures, label), what)

    judged = []
    for target in row.targets:
        try:
            judged.append((target, target.value(of)))
        except AttributeError:  # one of the two was not measured
            judged.append((target, None))
    return judged


def met(target, value):
    return value >= target.goal if target.at_least else value <= target.goal


def duration(seconds):
    for unit, size in (("s", 1), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} us"


def number(x):
    return f"{x:.0f}" if x >= 100 else f"{x:.1f}" if x >= 10 else f"{x:.2f}"


def entry_line(f, reference):
    if not f.measured:
        return f"  {f.label:34} not measured: {f.error or 'was not there'}"
    cells = [f"  {f.label:34} {duration(f.median):>9} +-{f.spread * 100:3.0f}% {duration(min(f.runs)):>9}"]
    if reference:
        cells.append(f"{number(f.median / reference.median):>8}")
    if reference and f.label in LIMITS:
        cells.append(f"  {reference.label} reaches {100 * f.median / reference.median:.0f}% of it")
    if f.peak:
        cells.append(f"  peak {f.peak / 1e6:.1f} MB")
    if f.part < 1:
        cells.append(f"  (from {f.part * 100:g}% of the work)")
    return "".join(cells)


def target_line(target, value):
    if value is None:
        return f"  target: {target.text}: not measured"
    verdict = "met" if met(target, value) else "MISSED"
    return f"  target: {target.text}: {number(value)}, {verdict}"


def show(row, figures):
    """The row's part of the table."""
    reference = by_label(figures, row.reference)
    print(f"\n{row.name}: {row.text}")
    for f in figures:
        print(entry_line(f, reference))
    for target, value in judge(row, figures):
        print(target_line(target, value))


def summary(measured):
    judged = [pair for row, figures in measured for pair in judge(row, figures)]
    reached = sum(value is not None and met(target, value) for target, value in judged)
    print(f"\n{reached} of {len(judged)} targets met")


def entry_record(f, reference):
    record = {"label": f.label, "share": f.share, "seconds": f.runs}  # of all the work
    if not f.measured:
        return record | {"error": f.error or "was not there"}
    record |= {"median": f.median, "min": min(f.runs), "spread": f.spread}
    if f.peak:
        record["peak_bytes"] = f.peak
    if reference:
        record["ratio"] = f.median / reference.median
    return record


def row_record(row, figures):
    reference = by_label(figures, row.reference)
    return {
        "name": row.name, "text": row.text, "count": row.count, "reference": row.reference,
        "entries": [entry_record(f, reference) for f in figures],
        "targets": [
            {"text": target.text, "goal": target.goal, "value": value,
             "met": value is not None and met(target, value)}
            for target, value in judge(row, figures)],
    }


def write_json(path, facts, measured):
    record = facts | {"rows": [row_record(row, figures) for row, figures in measured]}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(record, file, indent=1)
        file.write("\n")
