"""The plot of growth: rows and seconds, both by powers of ten, so that what grows with the rows is a straight line of slope one. Such a
line, dashed, goes through each curve's second point: what is above it on the right has grown faster than its table.

The colours follow the reader's light or dark.
"""

import math

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 400, 72, 132, 20, 52
INDENT = " " * 2

STYLE = """
  <style>
    rect { fill: #ffffff }
    text { font: 12px sans-serif; fill: #57606a }
    .grid { stroke: #d8dee4 }
    .curve { fill: none; stroke-width: 2 }
    .proportional { stroke-dasharray: 3 4; stroke-width: 1.5; opacity: 0.8 }
    .c0 { stroke: #0969da } .f0 { fill: #0969da }
    .c1 { stroke: #bc4c00 } .f1 { fill: #bc4c00 }
    @media (prefers-color-scheme: dark) {
      rect { fill: #0d1117 }
      text { fill: #9198a1 }
      .grid { stroke: #30363d }
      .c0 { stroke: #58a6ff } .f0 { fill: #58a6ff }
      .c1 { stroke: #f0883e } .f1 { fill: #f0883e }
    }
  </style>"""


def powers(values):
    return range(math.floor(math.log10(min(values))), math.ceil(math.log10(max(values))) + 1)


def write_plot(path, curves):
    """`curves`: name -> [rows, seconds] of each size, the smallest first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(Plot(curves).draw())


class Plot:
    def __init__(self, curves):
        self.curves = curves
        points = [point for curve in curves.values() for point in curve]
        self.across, self.up = powers([rows for rows, _ in points]), powers([seconds for _, seconds in points])

    def x(self, rows):
        return LEFT + (WIDTH - LEFT - RIGHT) * (math.log10(rows) - self.across[0]) / max(len(self.across) - 1, 1)

    def y(self, seconds):
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (math.log10(seconds) - self.up[0]) / max(len(self.up) - 1, 1)

    def draw(self):
        shapes = [*self.grid(), *(shape for number, item in enumerate(self.curves.items()) for shape in self.curve(number, *item))]
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Seconds by rows">'
                + STYLE + '\n  <rect width="100%" height="100%"/>\n'
                + "".join(f"{INDENT}{shape}\n" for shape in shapes) + "</svg>\n")

    def grid(self):
        for n in self.across:
            yield line((self.x(10**n), TOP), (self.x(10**n), HEIGHT - BOTTOM), "grid")
            yield label(self.x(10**n), HEIGHT - BOTTOM + 18, say_rows(10**n), "middle")
        for n in self.up:
            yield line((LEFT, self.y(10**n)), (WIDTH - RIGHT, self.y(10**n)), "grid")
            yield label(LEFT - 8, self.y(10**n) + 4, f"{10**n:g} s", "end")
        yield label((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, "rows; dashed: as the rows grow", "middle")

    def curve(self, number, name, curve):
        at = [(self.x(rows), self.y(seconds)) for rows, seconds in curve]
        yield self.proportional(number, curve)
        yield (f'<polyline class="curve c{number}" points="'
               + " ".join(f"{x:.1f},{y:.1f}" for x, y in at) + '"/>')
        for (x, y), (_, seconds) in zip(at, curve):
            yield f'<circle class="f{number}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
            yield label(x - 6, y - 8, say_seconds(seconds), "end", f"f{number}")
        yield label(at[-1][0] + 10, at[-1][1] + 4, name, "start", f"f{number}")

    def proportional(self, number, curve):
        """Through the second point, and within the frame."""
        rows, seconds = curve[min(1, len(curve) - 1)]
        at = [each for each, _ in curve]
        lowest, highest = 10 ** self.up[0], 10 ** self.up[-1]
        ends = [max(at[0], rows * lowest / seconds), min(at[-1], rows * highest / seconds)]
        return line(*((self.x(end), self.y(end * seconds / rows)) for end in ends), f"proportional c{number}")


def line(start, end, kind):
    return f'<line class="{kind}" x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}"/>'


def label(x, y, text, anchor, kind=None):
    shown = f' class="{kind}"' if kind else ""
    return f'<text{shown} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'


def say_rows(count):
    return f"{count // 10**6}M" if count >= 10**6 else f"{count // 1000}k" if count >= 1000 else str(count)


def say_seconds(seconds):
    return f"{seconds:.3g}" if seconds >= 0.1 else f"{seconds:.2g}"
