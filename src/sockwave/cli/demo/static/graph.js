// Messages per second over the last minute, as two lines in an SVG.

const SECONDS = 60;
const WIDTH = 600;
const HEIGHT = 100;
const SVG = "http://www.w3.org/2000/svg";

export class TrafficGraph {
  /**
   * @param {SVGSVGElement} svg
   * @param {HTMLElement} peakLabel
   */
  constructor(svg, peakLabel) {
    this.peakLabel = peakLabel;
    /** @type {{ in: number, out: number }[]} */
    this.samples = [];
    svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    const add = (/** @type {string} */ name) => {
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("class", name);
      svg.append(path);
      return path;
    };
    add("grid").setAttribute("d", `M0 1H${WIDTH}M0 ${HEIGHT / 2}H${WIDTH}M0 ${HEIGHT}H${WIDTH}`);
    const keys = /** @type {const} */ (["out", "in"]);
    this.series = keys.map((key) => ({ key, area: add(`area-${key}`), line: add(`line-${key}`) }));
  }

  /** @param {{ in: number, out: number }} sample */
  push(sample) {
    this.samples.push(sample);
    this.samples.splice(0, this.samples.length - SECONDS);
    const peak = niceCeiling(Math.max(...this.samples.map(({ in: i, out: o }) => Math.max(i, o))));
    this.peakLabel.textContent = `top ${peak}/s`;
    for (const { key, area, line } of this.series) {
      /** @type {[x: number, y: number][]} */
      const points = this.samples.map((each, index) => [
        WIDTH - (this.samples.length - 1 - index) * (WIDTH / (SECONDS - 1)),
        HEIGHT - (each[key] / peak) * (HEIGHT - 4),
      ]);
      const path = smooth(points);
      line.setAttribute("d", path);
      area.setAttribute("d", `${path}V${HEIGHT}H${points[0][0]}Z`);
    }
  }
}

// A scale that jumps between few values lets the eye compare one second with the next.
/** @param {number} value */
function niceCeiling(value) {
  for (let step = 10; ; step *= 10) {
    for (const factor of [0.5, 1, 2, 3, 5]) {
      if (value <= step * factor) return step * factor;
    }
  }
}

// Curves with horizontal tangents: they never swing above a peak nor below zero.
/** @param {[x: number, y: number][]} points */
function smooth(points) {
  const [[x, y], ...rest] = points;
  let path = `M${x} ${y}`;
  let [px, py] = [x, y];
  for (const [nx, ny] of rest) {
    const middle = (px + nx) / 2;
    path += `C${middle} ${py} ${middle} ${ny} ${nx} ${ny}`;
    [px, py] = [nx, ny];
  }
  return path;
}
