const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes and children; text never becomes markup. */
function make(name, attributes = {}, ...children) {
  const node = name.startsWith("svg:")
    ? document.createElementNS(SVG, name.slice(4))
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null).map((c) => (typeof c === "object" ? c : String(c))));
  return node;
}

const codecs = new Map(data.codecs.map((codec) => [codec.name, codec]));
const measured = data.codecs.filter((codec) => !codec.published);
let next = 0;
for (const codec of data.codecs) {
  codec.colour = codec.name === data.own ? "var(--own)" : `var(--c${next++ % 12})`;
  codec.title = codec.published ? `${codec.label} (published)` : codec.label;
}
const title = (name) => (codecs.has(name) ? codecs.get(name).title : name);
const signed = (value, digits = 1) => `${value > 0 ? "+" : value < 0 ? "\u2212" : ""}${Math.abs(value).toFixed(digits)}`;
const bytes = (count) => count.toLocaleString("en").replaceAll(",", "\u202f");

/** A row of buttons of which one is pressed; returns a function that says which. */
function tabs(id, options, chosen, changed) {
  const buttons = options.map(([value, label]) => {
    const button = make("button", { type: "button" }, label);
    button.addEventListener("click", () => choose(value));
    return [value, button];
  });
  let current;
  function choose(value, quiet) {
    current = value;
    for (const [other, button] of buttons) button.setAttribute("aria-pressed", other === value);
    if (!quiet) changed(value);
  }
  byId(id).replaceChildren(...buttons.map(([, button]) => button));
  choose(chosen, true);
  return () => current;
}

function fillSelect(id, options, chosen, changed) {
  const node = byId(id);
  node.replaceChildren(...options.map(([value, label]) => make("option", { value }, label)));
  node.value = chosen;
  node.addEventListener("change", changed);
  return node;
}

function tell(event, text) {
  const tip = byId("tip");
  tip.hidden = !text;
  if (!text) return;
  tip.textContent = text;
  const width = tip.offsetWidth, height = tip.offsetHeight;
  tip.style.left = `${Math.min(event.clientX + 14, innerWidth - width - 8)}px`;
  tip.style.top = `${Math.max(8, event.clientY - height - 10)}px`;
}

/* Charts ------------------------------------------------------------------------------- */

/** Round numbers between two ends, about `count` of them. */
function ticks(low, high, count) {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((k) => k * power).find((value) => value >= rough);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) found.push(k * step);
  return found;
}
function logTicks(low, high, room) {
  const found = [], decade = room / Math.log10(high / low); // numbers of five letters must not touch
  for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); e++) {
    for (const k of decade < 130 ? [1] : [1, 2, 5]) if (k * 10 ** e >= low * 0.999 && k * 10 ** e <= high * 1.001) found.push(k * 10 ** e);
  }
  return found;
}
const count = (number, what) => `${number} ${what}${number === 1 ? "" : "s"}`;
const short = (value) => Number(value.toPrecision(6)).toString().replace("-", "\u2212");

/** Lines (or dots) with axes, names at their ends, and a tip for each point. */
function chart(holder, { series, x, y, width = 1000, height = 520, right = 190 }) {
  const left = 54, top = 14, bottom = 46, named = right > 100 || series.every((line) => line.dots);
  const svg = make("svg:svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${y.label} over ${x.label}` });
  const along = x.log ? (v) => Math.log(v) : (v) => v;
  const span = (axis, value, from, to) => from + ((value - axis[0]) / (axis[1] - axis[0])) * (to - from);
  const xEnds = [along(x.low), along(x.high)], yEnds = [y.low, y.high];
  const px = (v) => span(xEnds, along(v), left, width - right);
  const py = (v) => span(yEnds, v, height - bottom, top);
  for (const v of x.log ? logTicks(x.low, x.high, width - left - right) : ticks(x.low, x.high, width < 640 ? 5 : 8)) {
    svg.append(
      make("svg:line", { class: "grid", x1: px(v), x2: px(v), y1: top, y2: height - bottom }),
      make("svg:text", { x: px(v), y: height - bottom + 19, "text-anchor": "middle" }, short(v)));
  }
  for (const v of ticks(y.low, y.high, 7)) {
    svg.append(
      make("svg:line", { class: "grid", x1: left, x2: width - right, y1: py(v), y2: py(v) }),
      make("svg:text", { x: left - 9, y: py(v) + 4, "text-anchor": "end" }, short(v)));
  }
  svg.append(
    make("svg:line", { class: "axis", x1: left, x2: width - right, y1: height - bottom, y2: height - bottom }),
    make("svg:text", { x: (left + width - right) / 2, y: height - 6, "text-anchor": "middle" }, x.label),
    make("svg:text", { x: width < 400 ? 0 : left, y: top - 2, "text-anchor": "start", dy: "-2" }, y.label));
  const clip = `clip-${holder.id}`;
  svg.append(make("svg:clipPath", { id: clip },
    make("svg:rect", { x: left, y: top, width: width - right - left, height: height - bottom - top })));
  const ends = [];
  for (const line of series) {
    const own = line.name === data.own, visible = line.points.filter(([v]) => v >= x.low && v <= x.high);
    if (!visible.length) continue;
    const group = make("svg:g", { "clip-path": line.dots ? null : `url(#${clip})` });
    if (!line.dots) {
      const path = line.points.map(([v, w]) => `${px(v).toFixed(1)},${py(w).toFixed(1)}`).join(" ");
      group.append(make("svg:polyline", {
        points: path, fill: "none", stroke: line.colour, "stroke-width": own ? 3.2 : 1.9,
        "stroke-dasharray": line.published ? "7 5" : null, "stroke-linejoin": "round" }));
    }
    const radius = line.dots ? 7 : own ? 4.5 : 3;
    for (const point of visible) {
      const dot = make("svg:circle", { cx: px(point[0]), cy: py(point[1]), r: radius, fill: line.colour });
      const hit = make("svg:circle", { cx: px(point[0]), cy: py(point[1]), r: 11, fill: "transparent" });
      hit.addEventListener("pointermove", (event) => tell(event, line.tip(point)));
      hit.addEventListener("pointerleave", (event) => tell(event, ""));
      group.append(dot, hit);
    }
    svg.append(group);
    const inside = visible.filter(([, w]) => w >= y.low && w <= y.high);
    const last = (inside.length ? inside : visible)[(inside.length ? inside : visible).length - 1];
    const after = line.points[line.points.indexOf(last) + 1];
    let at = [px(last[0]), py(last[1])];
    if (after && !line.dots) { // the line leaves the drawing: its name stands where it does
      const beyond = [px(after[0]), py(after[1])], edge = py(y.high);
      const t = Math.min(1, (width - right - at[0]) / (beyond[0] - at[0]),
        beyond[1] < edge && at[1] > edge ? (edge - at[1]) / (beyond[1] - at[1]) : 1);
      at = [at[0] + t * (beyond[0] - at[0]), at[1] + t * (beyond[1] - at[1])];
    }
    if (at[1] > py(y.high) + 1 || at[0] > left + 0.8 * (width - right - left)) ends.push({ line, own, at, y: at[1] });
  }
  ends.sort((a, b) => a.y - b.y);
  for (let round = 0; round < 200; round++) { // names apart, moved as little as needed
    let moved = false;
    for (let i = 1; i < ends.length; i++) {
      const lack = 17 - (ends[i].y - ends[i - 1].y);
      if (lack > 0.1) { ends[i].y += lack / 2; ends[i - 1].y -= lack / 2; moved = true; }
    }
    const above = top + 4 - ends[0]?.y;
    if (above > 0.1) { ends[0].y = top + 4; moved = true; }
    if (!moved) break;
  }
  holder.replaceChildren(svg); // before the names, whose lengths are known on the page alone
  for (const { line, own, at, y: height_ } of named ? ends : []) {
    const name = make("svg:text", { class: own ? "name own" : "name", y: height_ + 4 }, line.title);
    svg.append(name);
    // Where it would leave the drawing, a name stands before its dot.
    const before = line.dots && at[0] + 11 + name.getComputedTextLength() > width, way = before ? -1 : 1;
    const from = line.dots ? at[0] + way * 11 : width - right + 12;
    name.setAttribute("x", from);
    if (before) name.setAttribute("text-anchor", "end");
    if (!line.dots || Math.abs(height_ - at[1]) > 4) {
      svg.append(make("svg:line", { x1: at[0] + way * (line.dots ? 8 : 4), y1: at[1], x2: from - way * 3, y2: height_, stroke: line.colour, "stroke-width": 1, opacity: 0.6 }));
    }
  }
}

/* Rate and distortion ------------------------------------------------------------------- */

const hidden = new Set();
const top = Math.max(...measured.flatMap((c) => Object.values(c.curves).flatMap((curve) => curve.map(([bpp]) => bpp))), 0.5);
const metricOf = tabs("metric", data.metrics.map((m) => [m.name, m.label]), "psnr", drawCurves);
const spanOf = tabs("span",
  [[0.5, "to 0.5 bpp"], [1, "1"], [2, "2"], [Infinity, "all"]].filter(([v]) => v < top || v === Infinity),
  2 < top ? 2 : Infinity, drawCurves);
byId("log").addEventListener("change", drawCurves);
const imageOf = fillSelect("image", [["", `mean of ${data.images.length}`], ...data.images.map((name, i) => [i, name])], "", drawCurves);

function curveOf(codec, metric) {
  if (imageOf.value === "") return codec.curves[metric] || [];
  if (codec.published) return [];
  const column = 2 + ["psnr", "psnr_y", "ms_ssim", "ssimulacra2"].indexOf(metric);
  return data.rows[codec.name]
    .filter((row) => row[0] === Number(imageOf.value) && row[column] !== null)
    .map((row) => [row[1], row[column]]).sort((a, b) => a[0] - b[0]);
}

function drawCurves() {
  const metric = data.metrics.find((m) => m.name === metricOf());
  const unit = metric.unit ? `, ${metric.unit}` : "";
  const all = data.codecs.map((codec) => ({ codec, points: curveOf(codec, metric.name) })).filter((e) => e.points.length);
  const shown = all.filter(({ codec }) => !hidden.has(codec.name));
  const log = byId("log").checked;
  const measuredHere = shown.filter(({ codec }) => !codec.published), own = measuredHere.length ? measuredHere : shown;
  const ratesOf = (entries) => entries.flatMap(({ points }) => points.map(([bpp]) => bpp));
  const end = ratesOf(own).some((bpp) => bpp < spanOf()) ? spanOf() : Infinity; // past all that is shown
  const high = Math.min(end, Math.max(...ratesOf(shown), 0.1) * 1.02);
  const low = log ? Math.min(...ratesOf(own), high / 2) * 0.9 : 0;
  const scores = own.flatMap(({ points }) => points.filter(([bpp]) => bpp <= high && bpp >= low).map(([, s]) => s));
  const least = Math.min(...scores), most = Math.max(...scores), pad = (most - least) * 0.05 || 1;
  const room = byId("chart").clientWidth, narrow = room < 640; // names would leave no room for curves
  chart(byId("chart"), {
    width: Math.min(1000, Math.max(320, room)), height: narrow ? 360 : Math.min(520, 0.6 * room), right: narrow ? 16 : 190,
    x: { low, high, log, label: "bits per pixel, whole file" },
    y: { low: Math.max(least - pad, metric.name === "ssimulacra2" ? -20 : -Infinity), high: most + pad, label: `${metric.label}${unit}` },
    series: shown.map(({ codec, points }) => ({
      name: codec.name, title: codec.title, colour: codec.colour, published: codec.published, points,
      tip: ([bpp, score]) => `${codec.title}\n${bpp.toFixed(3)} bpp   ${score.toFixed(2)} ${metric.unit}`,
    })),
  });
  byId("legend").replaceChildren(...all.map(({ codec }) => {
    const line = make("svg:svg", { viewBox: "0 0 22 8", "aria-hidden": "true" }, make("svg:line", {
      x1: 0, x2: 22, y1: 4, y2: 4, stroke: codec.colour, "stroke-width": codec.name === data.own ? 3.5 : 2.2,
      "stroke-dasharray": codec.published ? "6 4" : null }));
    const button = make("button", { type: "button", "aria-pressed": !hidden.has(codec.name) }, line, codec.title);
    button.addEventListener("click", () => {
      if (!hidden.delete(codec.name)) hidden.add(codec.name);
      drawCurves();
    });
    return button;
  }));
  const notes = {
    psnr: "PSNR over RGB of the decoded 8-bit pixels.",
    psnr_y: "PSNR of BT.601 luma of the decoded pixels.",
    ms_ssim: "MS-SSIM over RGB, as \u221210 log\u2081\u2080(1 \u2212 x): 10 dB is 0.9, 20 dB is 0.99.",
    ssimulacra2: "SSIMULACRA 2: 90 is hard to tell from the original, 70 high, 50 medium, 30 low quality.",
  };
  const published = all.some(({ codec }) => codec.published);
  if (!all.length && imageOf.value === "") notes[metric.name] += " Some pictures have none, being too small for it, so there are no means: choose a picture.";
  byId("curves-note").textContent = `${notes[metric.name]} ${imageOf.value === "" ? "Means over the pictures of rate and of score." : ""} ${published ? "Dashed curves were published by others and not measured here." : ""}`;
}

/* Bits at equal score ------------------------------------------------------------------- */

const anchors = data.codecs.filter((codec) => data.deltas.some((d) => d.anchor === codec.name));
const anchorOf = fillSelect("anchor", anchors.map((c) => [c.name, c.title]),
  (anchors.find((c) => !c.published && c.name !== data.own) || anchors[0] || { name: "" }).name, drawDeltas);

const spreadOf = (s) => `${signed(s.lowest, 0)} to ${signed(s.highest, 0)}\u202f%, ${s.fewer} of ${s.pictures}`;

function drawDeltas() {
  byId("comparison").hidden = !anchors.length;
  if (!anchors.length) return;
  const of = (codec, metric) => data.deltas.find((d) => d.codec === codec && d.anchor === anchorOf.value && d.metric === metric);
  const metrics = data.metrics.filter((m) => measured.some((c) => of(c.name, m.name)));
  const rows = measured.filter((c) => metrics.some((m) => of(c.name, m.name)));
  if (metrics.length) rows.sort((a, b) => (of(a.name, metrics[0].name)?.bd_rate ?? 1e9) - (of(b.name, metrics[0].name)?.bd_rate ?? 1e9));
  const head = make("tr", {}, make("th", {}, "codec"), ...metrics.map((m) => make("th", {}, m.label)));
  const body = rows.map((codec) => make("tr", { class: codec.name === data.own ? "own" : null },
    make("td", {}, codec.title),
    ...metrics.map((m) => {
      const d = of(codec.name, m.name);
      if (!d) return make("td", {}, "\u2013");
      const range = `${d.low.toFixed(1)}\u2013${d.high.toFixed(1)}, ${d.overlap.toFixed(0)}\u202f% overlap`;
      const score = d.bd_score === null ? "no rates in common" : `at equal rate ${signed(d.bd_score, 2)} ${m.unit}`.trim();
      return make("td", { class: d.bd_rate < 0 ? "less" : "more", title: `${score}, ${count(d.images, "picture")}` },
        `${signed(d.bd_rate)}\u202f%`, make("small", {}, range), d.spread ? make("small", {}, spreadOf(d.spread)) : null);
    })));
  byId("deltas").replaceChildren(make("thead", {}, head), make("tbody", {}, ...body));
  const without = measured.filter((c) => c.name !== anchorOf.value && !rows.includes(c)).map((c) => c.title);
  const reason = without.length ? ` None for ${without.join(", ")}: a figure takes three qualities at least, and scores in common.` : "";
  const single = rows.some((c) => metrics.some((m) => of(c.name, m.name)?.spread)) ? " The figures are those of means over the pictures; the last line is about single ones: the lowest and the highest, and on how many the codec needs fewer bits." : "";
  byId("deltas-note").textContent = "Bj\u00f8ntegaard delta rate: log rate over score by PCHIP, averaged over the scores that both curves span, which are given below each figure with their share of all that either spans. Nothing is extrapolated." + single + reason;
}

/* Pictures ------------------------------------------------------------------------------ */

function pictures() {
  const views = data.views.items;
  if (!views.length) return;
  byId("pictures").hidden = false;
  const state = { view: 0, wipe: 0.5, zoom: 1, pan: [0.5, 0.5], base: 1 };
  const stage = byId("stage"), sides = { left: byId("left"), right: byId("right"), over: byId("over") };
  const names = views[0].rates[0].map((shot) => shot.codec);
  const options = [["original", "original"], ...names.map((name) => [name, title(name)])];
  const rateOf = tabs("rate", views[0].rates.map((shots, i) => {
    const mean = views.reduce((sum, view) => sum + view.rates[i][0].bpp, 0) / views.length;
    return [i, `${mean.toFixed(2)} bpp`];
  }), 0, show);
  const zoomOf = tabs("zoom", [[1, "fit"], [2, "2\u00d7"], [4, "4\u00d7"], [8, "8\u00d7"]], 1, () => { place(); });
  const pick = {
    left: fillSelect("left-codec", options, data.own, show),
    right: fillSelect("right-codec", options, names[1] || "original", show),
  };
  const thumbs = views.map((view, index) => {
    const button = make("button", { type: "button", title: view.image }, make("img", { src: view.original, alt: view.image, loading: "lazy" }));
    button.addEventListener("click", () => { state.view = index; state.pan = [0.5, 0.5]; show(); });
    return button;
  });
  byId("strip").replaceChildren(...thumbs);

  function caption(id, name) {
    const view = views[state.view];
    const shot = view.rates[rateOf()].find((s) => s.codec === name);
    const own = view.rates[rateOf()][0];
    if (!shot) {
      byId(id).textContent = `${view.width} \u00d7 ${view.height} pixels`;
      return;
    }
    const beside = shot === own ? "" : ` (${signed(100 * (shot.file_bytes / own.file_bytes - 1))}\u202f%)`;
    const perceived = shot.ssimulacra2 === null ? "" : `, SSIMULACRA 2: ${short(Math.round(shot.ssimulacra2))}`;
    byId(id).textContent = `${bytes(shot.file_bytes)} bytes${beside}, ${shot.bpp.toFixed(3)} bpp, ${shot.psnr.toFixed(1)} dB${perceived}`;
  }
  function show() {
    const view = views[state.view];
    thumbs.forEach((button, index) => button.setAttribute("aria-pressed", index === state.view));
    for (const side of ["left", "right"]) {
      const name = pick[side].value;
      const shot = view.rates[rateOf()].find((s) => s.codec === name);
      sides[side].firstElementChild.src = shot ? shot.source : view.original;
      sides[side].firstElementChild.alt = `${view.image}, ${name === "original" ? name : title(name)}`;
      caption(`${side}-caption`, name);
    }
    sides.over.firstElementChild.src = view.original;
    place();
  }
  function place() {
    const view = views[state.view], room = byId("pictures").clientWidth;
    state.base = Math.min(room / view.crop_width, Math.max(1, Math.min(innerHeight * 0.72, 720) / view.crop_height));
    const width = view.crop_width * state.base, height = view.crop_height * state.base;
    stage.style.width = `${width}px`;
    stage.style.height = `${height}px`;
    const zoom = zoomOf(), scale = state.base * zoom;
    state.pan = state.pan.map((v) => Math.min(1 - 0.5 / zoom, Math.max(0.5 / zoom, v)));
    const shift = [width / 2 - state.pan[0] * width * zoom, height / 2 - state.pan[1] * height * zoom];
    for (const side of Object.values(sides)) {
      const image = side.firstElementChild;
      image.style.width = `${view.crop_width}px`;
      image.style.height = `${view.crop_height}px`;
      image.style.transform = `translate(${shift[0]}px, ${shift[1]}px) scale(${scale})`;
    }
    stage.classList.toggle("sharp", scale * devicePixelRatio >= 3);
    wipe(state.wipe);
  }
  function wipe(share) {
    state.wipe = Math.min(1, Math.max(0, share));
    sides.right.style.clipPath = `inset(0 0 0 ${100 * state.wipe}%)`;
    byId("divider").style.left = `${100 * state.wipe}%`;
    byId("wipe").value = Math.round(1000 * state.wipe);
  }
  byId("wipe").addEventListener("input", (event) => wipe(event.target.value / 1000));
  let drag = null;
  stage.addEventListener("pointerdown", (event) => {
    const box = stage.getBoundingClientRect(), at = (event.clientX - box.left) / box.width;
    const panning = zoomOf() > 1 && Math.abs(at - state.wipe) * box.width > 28;
    drag = { panning, x: event.clientX, y: event.clientY, pan: state.pan };
    stage.setPointerCapture(event.pointerId);
    if (!panning) wipe(at);
  });
  stage.addEventListener("pointermove", (event) => {
    const box = stage.getBoundingClientRect();
    if (!drag) {
      const near = Math.abs((event.clientX - box.left) / box.width - state.wipe) * box.width <= 28;
      stage.style.cursor = zoomOf() > 1 && !near ? "grab" : "ew-resize";
    } else if (drag.panning) {
      const size = [box.width * zoomOf(), box.height * zoomOf()];
      state.pan = [drag.pan[0] - (event.clientX - drag.x) / size[0], drag.pan[1] - (event.clientY - drag.y) / size[1]];
      place();
    } else wipe((event.clientX - box.left) / box.width);
  });
  for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, () => { drag = null; });
  const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  stage.addEventListener("keydown", (event) => {
    if (!ways[event.key] || zoomOf() === 1) return;
    state.pan = state.pan.map((v, axis) => v + (0.1 * ways[event.key][axis]) / zoomOf());
    place();
    event.preventDefault();
  });
  const hold = byId("hold"), over = (on) => { sides.over.hidden = !on; };
  hold.addEventListener("pointerdown", () => over(true));
  for (const name of ["pointerup", "pointerleave", "pointercancel"]) hold.addEventListener(name, () => over(false));
  hold.addEventListener("keydown", (event) => { if (event.key === " " || event.key === "Enter") { over(true); event.preventDefault(); } });
  hold.addEventListener("keyup", () => over(false));
  addEventListener("resize", place);
  const exact = data.views.fidelity === null
    ? `stored without loss (${data.views.stored})`
    : `stored here as ${data.views.stored}, at least ${data.views.fidelity} dB from what each codec gave`;
  const crops = ["crop_width", "crop_height"].map((side) => views.map((view) => view[side]));
  const most = crops.map((lengths) => Math.max(...lengths)).join(" \u00d7 ");
  const alike = crops.every((lengths) => lengths.every((length) => length === lengths[0]));
  byId("pictures-note").textContent = `Crops of ${alike ? "" : "at most "}${most} pixels at the place of most detail, ${exact}. Rivals code each whole picture at the quality whose file is nearest to gencodec's in bytes; captions are about whole pictures.${data.views.missing.length ? ` Missing: ${data.views.missing.join("; ")}.` : ""}`;
  show();
}

/* Speed --------------------------------------------------------------------------------- */

function drawSpeed() {
  const report = data.speed;
  if (!report) return;
  const target = anchors.find((c) => c.published) || anchors.find((c) => c.name !== data.own);
  for (const direction of ["encode", "decode"]) {
    const dots = report.codecs.map((row) => {
      const d = target && data.deltas.find((e) => e.codec === row.codec && e.anchor === target.name && e.metric === "psnr");
      const rate = d ? d.bd_rate : target && row.codec === target.name ? 0 : null;
      return rate === null ? null : { row, point: [row[`${direction}_s_per_mp`], rate] };
    }).filter((dot) => dot);
    const holder = byId(`speed-${direction}`);
    if (!dots.length) { holder.parentElement.hidden = true; continue; }
    const xs = dots.map((d) => d.point[0]), ys = dots.map((d) => d.point[1]);
    const pad = (Math.max(...ys) - Math.min(...ys)) * 0.12 || 10;
    chart(holder, {
      width: Math.min(520, Math.max(300, holder.clientWidth)), height: 380, right: 30,
      x: { low: Math.min(...xs) / 1.6, high: Math.max(...xs) * 4, log: true, label: "seconds a megapixel" },
      y: { low: Math.min(...ys) - pad, high: Math.max(...ys) + pad, label: `BD-rate against ${target.title}, PSNR, %` },
      series: dots.map(({ row, point }) => ({
        name: row.codec, title: row.label, colour: codecs.get(row.codec)?.colour || "var(--c7)", dots: true, points: [point],
        tip: () => `${row.label}\n${point[0].toPrecision(3)} s/MP   ${signed(point[1])} %`,
      })),
    });
  }
}

function speed() {
  const report = data.speed;
  if (!report) return;
  byId("speed").hidden = false;
  drawSpeed();
  const images = new Set(report.timings.map((t) => t.image)).size;
  const heads = ["codec", "bpp", "encode, s/MP", "decode, s/MP", "load, s", "first encode, s", "first decode, s", "memory, MB", "threads", `alike with ${report.other_threads}`];
  byId("speed-table").replaceChildren(make("thead", {}, make("tr", {}, ...heads.map((h) => make("th", {}, h)))),
    make("tbody", {}, ...report.codecs.map((row) => make("tr", { class: row.codec === data.own ? "own" : null },
      make("td", {}, row.label), ...[row.bpp.toFixed(2), row.encode_s_per_mp.toFixed(3), row.decode_s_per_mp.toFixed(3),
        row.cold.load_s.toFixed(2), row.cold.encode_s.toFixed(2), row.cold.decode_s.toFixed(2),
        Math.max(row.memory.encode, row.memory.decode) || "?", row.threads || "its own",
        row.alike === null || row.alike === undefined ? "\u2013" : `${row.alike} of ${images}`].map((cell) => make("td", {}, cell))))));
  const words = { g_a: "analysis", prior: "exact prior", ans: "entropy coding", g_s: "synthesis", pack: "container", unpack: "container", read: "reading the file", write: "writing PNG" };
  const colours = { g_a: "#0067b0", g_s: "#0067b0", prior: "#00734d", ans: "#a33d00", pack: "#6a6a9e", unpack: "#6a6a9e", read: "#777777", write: "#777777" };
  const longest = Math.max(...["encode", "decode"].map((d) => report.stages.filter((s) => s.direction === d).reduce((sum, s) => sum + s.s_per_mp, 0)));
  const rows = ["encode", "decode"].flatMap((direction) => {
    const parts = report.stages.filter((s) => s.direction === direction && s.s_per_mp > 0);
    return [make("div", {}, direction), make("div", { class: "track" }, ...parts.map((s) => {
      const part = make("span", { style: `width:${(100 * s.s_per_mp) / longest}%;background:${colours[s.stage]}` });
      part.addEventListener("pointermove", (event) => tell(event, `${words[s.stage]}\n${s.s_per_mp.toFixed(4)} s/MP`));
      part.addEventListener("pointerleave", (event) => tell(event, ""));
      return part;
    })), make("div", { class: "keys" }, ...parts.map((s) =>
      make("span", {}, make("i", { style: `background:${colours[s.stage]}` }), `${words[s.stage]} ${s.s_per_mp.toPrecision(2)}`)))];
  });
  byId("stages").replaceChildren(make("div", { class: "stack" }, ...rows));
  const cuda = report.throughput.map((t) => `${t.direction} ${t.width}\u00d7${t.height}: ${t.single} images/s one by one, ${t.best} in batches of ${t.best_batch}`);
  const notes = report.codecs.filter((row) => row.note).map((row) => `${row.label}: ${row.note}.`);
  byId("speed-note").textContent = `${count(images, "picture")}, gencodec at quality ${report.quality}, rivals at the quality whose file is nearest in bytes; medians of ${count(report.repetitions, "run")} with the codecs taking turns, ${count(report.threads, "thread")}; from pixels in memory to a stream in memory and back. First: in a fresh process. Alike: files that decode with ${count(report.other_threads, "thread")} to the same pixels, one level at most off. ${report.load == null ? "" : `Load ${report.load.toFixed(1)} on ${count(data.environment.cores, "core")} in the minute before. `}${cuda.join("; ")} ${notes.join(" ")}`;
}

/* The rest ------------------------------------------------------------------------------ */

function lead() {
  const own = codecs.get(data.own), parts = [];
  const of = (metric) => data.deltas.filter((d) => d.codec === data.own && d.metric === metric && !codecs.get(d.anchor)?.published);
  const line = own && own.curves.psnr;
  if (line) parts.push(`${own.label} spans ${line[0][0].toFixed(2)} to ${line[line.length - 1][0].toFixed(2)} bits per pixel on ${count(data.dataset.images, "picture")} (${data.dataset.megapixels} MP), every bit of the file counted.`);
  const node = byId("lead");
  node.append(parts.join(" "));
  const rivals = of("psnr").sort((a, b) => a.bd_rate - b.bd_rate);
  if (rivals.length) {
    node.append(" At equal PSNR it needs ");
    rivals.forEach((d, i) => {
      const share = Math.abs(d.bd_rate).toFixed(0);
      const words = share === "0" ? ["as many", "as"] : [`${share}\u202f% ${d.bd_rate < 0 ? "fewer" : "more"}`, "than"];
      node.append(make("b", {}, words[0]), ` bits ${words[1]} ${title(d.anchor)}`,
        i === rivals.length - 1 ? "." : i === rivals.length - 2 ? " and " : ", ");
    });
  }
}

function rest() {
  byId("bugs").hidden = !data.bugs.length;
  byId("bugs-table").replaceChildren(
    make("thead", {}, make("tr", {}, ...["codec", "picture", "quality", "what happened"].map((h, i) => make("th", { class: i === 3 ? "text" : null }, h)))),
    make("tbody", {}, ...data.bugs.map((bug) => make("tr", {}, make("td", {}, bug.codec ? title(bug.codec) : "\u2013"),
      make("td", {}, bug.image || "\u2013"), make("td", {}, bug.quality ?? "\u2013"), make("td", { class: "text" }, bug.reason)))));
  byId("codecs").replaceChildren(
    make("thead", {}, make("tr", {}, ...["codec", "version", "settings", "threads", "files", "bugs"].map((h, i) => make("th", { class: i < 3 ? "text" : null }, h)))),
    make("tbody", {}, ...data.codecs.map((codec) => make("tr", { class: codec.name === data.own ? "own" : null },
      make("td", {}, codec.title),
      make("td", { class: "text" }, codec.published ? codec.source.replace("published: ", "") : codec.version),
      make("td", { class: "text" }, codec.published ? "" : make("code", {}, codec.settings)),
      make("td", {}, codec.published ? "" : codec.threads || "its own"),
      make("td", {}, codec.published ? "" : data.rows[codec.name].length),
      make("td", {}, codec.published ? "" : data.bugs.filter((bug) => bug.codec === codec.name).length)))));
  const machine = data.environment;
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`).join(", ");
  byId("machine").textContent = `Weights ${data.weights}. ${machine.cpu}${machine.vectors == null ? "" : ` with ${machine.vectors}`}, ${count(machine.cores, "core")}, ${machine.system}, networks on ${machine.device}; ${versions}. Pictures: SHA-256 of their pixels ${data.dataset.sha256.slice(0, 16)}\u2026`;
}

addEventListener("resize", drawCurves);
addEventListener("resize", drawSpeed);
lead();
drawCurves();
drawDeltas();
pictures();
speed();
rest();
