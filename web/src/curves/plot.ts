import "./language";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { placeText, valueText } from "./formats";
import type { Line } from "./points";
import { type Drawn, type Mark, marksOf, nearest, reduceLine, smooth } from "./reduce";
import { endsOf, type View } from "./view";

/** The label, colour and dashes of a curve. */
export interface Look {
  label: string;
  /** The custom property that holds its colour. */
  colour: string;
  dash: number[];
}

/** What a curve is at the place that is pointed at. */
export interface Reading {
  label: string;
  x: number;
  value: number;
}

export interface PlotListener {
  onZoom: (from: number, to: number) => void;
  onUnzoom: () => void;
  /** What is pointed at; nothing where the pointer has left. */
  onRead: (readings: Reading[] | undefined) => void;
}

const FAINT = 0.28;
/** Pixels between two marks, or between two points that are drawn as dots. */
const APART = 10;
/** Heights of the chart that a curve may go up and down before it counts as a zigzag. */
const ZIGZAG = 20;

/** A chart on a canvas: draws traces in a view, and reports what was dragged and pointed at. It knows no React. */
export class Plot {
  private readonly uplot: uPlot;
  private readonly observer: ResizeObserver;
  private lines: readonly Line[] = [];
  private marks: Mark[] = [];
  /** Of each series, whether its points are few. */
  private sparse: boolean[] = [];
  private ends: [number, number] = [0, 1];

  /** Charts with one `group` are pointed at together. Another scale, or smoothing where there was none, is another plot. */
  constructor(
    private readonly box: HTMLElement,
    private readonly looks: readonly Look[],
    private view: View,
    group: string,
    private readonly listener: PlotListener,
  ) {
    const ink = (name: string) => () => this.css(name);
    const axis = {
      stroke: ink("--muted"),
      grid: { stroke: ink("--line"), width: 1 },
      ticks: { stroke: ink("--line"), width: 1 },
    };
    this.uplot = new uPlot(
      {
        width: Math.max(100, box.clientWidth),
        height: Math.max(100, box.clientHeight),
        legend: { show: false },
        scales: {
          x: { time: false, range: () => this.ends },
          y: { distr: view.log ? 3 : 1 },
        },
        axes: [
          { ...axis, values: (_, places) => places.map((place) => placeText(this.view.axis, place)) },
          { ...axis, size: 72, values: (_, values) => values.map((value) => (value === null ? "" : valueText(value))) },
        ],
        cursor: {
          // A click that slips is no zoom.
          drag: { x: true, y: false, setScale: false, dist: 5 },
          points: { size: 7 },
          sync: { key: group, setSeries: false },
          bind: {
            dblclick: () => () => {
              this.listener.onUnzoom();
              return null;
            },
          },
        },
        series: [{}, ...looks.flatMap((look) => this.seriesOf(look))],
        hooks: {
          setSelect: [() => this.selected()],
          setCursor: [() => this.pointed()],
          draw: [() => this.drawMarks()],
        },
      },
      [[], ...looks.flatMap(() => [[], []])] as unknown as uPlot.AlignedData,
      box,
    );
    this.observer = new ResizeObserver(() => {
      if (box.clientWidth > 0) this.uplot.setSize({ width: box.clientWidth, height: box.clientHeight });
    });
    this.observer.observe(box);
  }

  /** Draw a line for each look. */
  draw(lines: readonly Line[], view: View): void {
    this.lines = lines;
    this.view = view;
    const filled = lines.filter(({ length }) => length > 0);
    this.ends = endsOf(
      view.range,
      Math.min(...filled.map(({ x }) => x[0]!), Number.POSITIVE_INFINITY),
      Math.max(...filled.map(({ x, length }) => x[length - 1]!), Number.NEGATIVE_INFINITY),
    );
    if (filled.length === 0 && view.range.kind !== "zoom") this.ends = [0, 1];
    const [from, to] = this.ends;
    const pixels = Math.max(50, Math.round(this.uplot.bbox.width / devicePixelRatio));
    const drawn = lines.flatMap((line) => {
      const raw = reduceLine(line, from, to, pixels, view.log);
      if (view.smoothing === 0) return [raw, { x: [], y: [] }];
      return [raw, reduceLine(smooth(line, view.smoothing), from, to, pixels, view.log)];
    });
    this.sparse = [false, ...drawn.map(({ x }) => x.length < pixels / APART)];
    // Dashes along a dense zigzag cannot be seen, and take the browser seconds to paint.
    for (const [index, { y }] of drawn.entries()) {
      const series = this.uplot.series[index + 1];
      if (series) series.dash = isZigzag(y) ? [] : this.looks[index >> 1]!.dash;
    }
    this.marks = lines.flatMap((line) => marksOf(line, from, to, pixels / APART));
    this.uplot.setData(aligned(drawn));
  }

  /** Point at the next place to the left (-1) or to the right (1) of the one pointed at. */
  point(direction: -1 | 1): void {
    const left = this.uplot.cursor.left ?? -1;
    const begin = direction > 0 ? 0 : this.uplot.over.clientWidth;
    const next = left < 0 ? begin : left + direction * Math.max(1, this.uplot.over.clientWidth / 100);
    // The third argument, which the types leave out, has the other charts of the group follow.
    const setCursor = this.uplot.setCursor as (at: uPlot.Cursor, fire: boolean, publish: boolean) => void;
    const at = {
      left: Math.min(Math.max(0, next), this.uplot.over.clientWidth - 1),
      top: this.uplot.over.clientHeight / 2,
    };
    setCursor.call(this.uplot, at, true, true);
  }

  /** Show less of the axis (a factor below 1) or more of it, around what is pointed at. */
  zoom(factor: number): void {
    const [from, to] = this.ends;
    const left = this.uplot.cursor.left ?? -1;
    const around = left < 0 ? (from + to) / 2 : this.uplot.posToVal(left, "x");
    this.listener.onZoom(around - (around - from) * factor, around + (to - around) * factor);
  }

  /** The chart as a PNG, with its name above it. */
  async png(title: string): Promise<Blob> {
    const { canvas } = this.uplot.ctx;
    const head = 28 * devicePixelRatio;
    const copy = new OffscreenCanvas(canvas.width, canvas.height + head);
    const context = copy.getContext("2d") as OffscreenCanvasRenderingContext2D;
    context.fillStyle = this.css("--surface");
    context.fillRect(0, 0, copy.width, copy.height);
    context.fillStyle = this.css("--ink");
    context.font = `600 ${14 * devicePixelRatio}px system-ui, sans-serif`;
    context.fillText(title, 10 * devicePixelRatio, 19 * devicePixelRatio);
    context.drawImage(canvas, 0, head);
    return await copy.convertToBlob({ type: "image/png" });
  }

  destroy(): void {
    this.observer.disconnect();
    this.uplot.destroy();
  }

  /** Two series a curve: as it was recorded, faint where there is also the second, smoothed. */
  private seriesOf({ colour, dash }: Look): uPlot.Series[] {
    const series = { spanGaps: false, stroke: () => this.css(colour), dash };
    const smoothed = this.view.smoothing > 0;
    return [
      // A point alone is no line: few of them are drawn as dots too.
      {
        ...series,
        width: 1.5,
        alpha: smoothed ? FAINT : 1,
        points: { size: 5, show: (_, place) => this.sparse[place] ?? false },
      },
      { ...series, width: 2, points: { show: false } },
    ];
  }

  private selected(): void {
    const { left, width } = this.uplot.select;
    if (width > 0) {
      this.listener.onZoom(this.uplot.posToVal(left, "x"), this.uplot.posToVal(left + width, "x"));
      this.uplot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    }
  }

  private pointed(): void {
    const { left } = this.uplot.cursor;
    if (left === undefined || left === null || left < 0) {
      this.listener.onRead(undefined);
      return;
    }
    const x = this.uplot.posToVal(left, "x");
    const slack = ((this.ends[1] - this.ends[0]) * APART) / this.uplot.over.clientWidth;
    // From the curve itself: what is drawn of it has only so many points.
    const readings = this.lines.flatMap((line, place) => {
      const index = isBeside(line, x, slack) ? -1 : nearest(line, x);
      return index < 0 ? [] : [{ label: this.looks[place]!.label, x: line.x[index]!, value: line.y[index]! }];
    });
    this.listener.onRead(readings);
  }

  /** A triangle at the top where a value was +∞, at the bottom where it was −∞, a cross where it was not a number. */
  private drawMarks(): void {
    const { ctx, bbox } = this.uplot;
    const size = 4 * devicePixelRatio;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = this.css("--bad");
    ctx.lineWidth = 1.5 * devicePixelRatio;
    ctx.setLineDash([]);
    ctx.beginPath();
    for (const { x, value } of this.marks) {
      const across = this.uplot.valToPos(x, "x", true);
      const down = value < 0 ? bbox.top + bbox.height - size : bbox.top + size;
      if (Number.isNaN(value)) {
        ctx.moveTo(across - size, down - size);
        ctx.lineTo(across + size, down + size);
        ctx.moveTo(across + size, down - size);
        ctx.lineTo(across - size, down + size);
      } else {
        const tip = value > 0 ? -size : size;
        ctx.moveTo(across, down + tip);
        ctx.lineTo(across + size, down - tip);
        ctx.lineTo(across - size, down - tip);
        ctx.closePath();
      }
    }
    ctx.stroke();
    ctx.fill();
    ctx.restore();
  }

  private css(colour: string): string {
    return getComputedStyle(this.box).getPropertyValue(colour);
  }
}

/** Whether there is nothing of the curve at x. */
function isBeside({ x: places, length }: Line, x: number, slack: number): boolean {
  return length > 0 && (x < places[0]! - slack || x > places[length - 1]! + slack);
}

/** Whether a curve goes up and down so much that it is an area rather than a line. */
function isZigzag(values: readonly (number | null)[]): boolean {
  const finite = values.filter((value) => value !== null);
  let way = 0;
  for (let index = 1; index < finite.length; index += 1) way += Math.abs(finite[index]! - finite[index - 1]!);
  const [low, high] = [finite.reduce((a, b) => Math.min(a, b), 0), finite.reduce((a, b) => Math.max(a, b), 0)];
  return way > ZIGZAG * (high - low);
}

/** Curves over one list of x, as uPlot wants them: where a curve has no point it goes straight on, a null breaks it. */
function aligned(drawn: readonly Drawn[]): uPlot.AlignedData {
  return uPlot.join(drawn.map(({ x, y }) => [x, y] as unknown as uPlot.AlignedData));
}
