"use strict";
// Adds zoom, pan and details to a chart that is complete without it. Positions are in units of the SVG; `scale` is the
// zoom factor, and `origin` is the position that is shown at the plot's left edge.
(() => {
  const chart = document.getElementById("chart");
  const svg = chart.querySelector("svg");
  const tip = document.getElementById("tip");
  const readout = document.getElementById("readout");
  const bins = JSON.parse(document.getElementById("bins").textContent);
  const [LEFT, RIGHT, START, END, AXIS] = ["left", "right", "start", "end", "axis"].map((name) => +svg.dataset[name]);
  const WIDTH = RIGHT - LEFT;
  const MAX_SCALE = 400;
  const number = (element, name) => +element.getAttribute(name);
  const all = (selector) => [...svg.querySelectorAll(selector)];

  const stretched = svg.querySelector(".stretched");
  const tickGroup = svg.querySelector(".ticks");
  const marks = all(".mark").map((element) => ({ element, x: number(element, "x"), y: number(element, "y") }));
  const walkable = marks.filter((mark) => mark.element.matches(".lane, .left")).sort((a, b) => a.x - b.x);
  const spans = all(".span").map((element) => ({
    element, from: +element.dataset.from, to: +element.dataset.to, width: +element.dataset.width,
  }));
  const moments = all(".moment").map((element) => {
    const [line, label] = element.children;
    return { element, line, label, x: number(line, "x1"), width: +label.dataset.width };
  });
  const band = svg.querySelector(".fault");
  const cursor = make("line", { class: "cursor outside", y1: 0, y2: AXIS });
  svg.append(cursor);

  let scale = 1, origin = LEFT, chosen = -1, frame = 0;
  const toScreen = (x) => LEFT + (x - origin) * scale;
  const toTime = (screen) => START + ((screen - LEFT) / scale + origin - LEFT) / WIDTH * (END - START);
  const toUnit = (time) => LEFT + (time - START) / (END - START) * WIDTH;
  const inside = (screen) => screen >= LEFT - 1 && screen <= RIGHT + 1;

  function make(tag, attributes, content = "") {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.textContent = content;
    return element;
  }

  function show(newScale, newOrigin) {
    scale = Math.min(Math.max(newScale, 1), MAX_SCALE);
    origin = Math.min(Math.max(newOrigin, LEFT), RIGHT - WIDTH / scale);
    chart.classList.toggle("zoomed", scale > 1);
    frame ||= requestAnimationFrame(draw);
  }

  function draw() {
    frame = 0;
    stretched.setAttribute("transform", `translate(${LEFT - origin * scale} 0) scale(${scale} 1)`);
    for (const { element, x } of marks) {
      const at = toScreen(x);
      element.classList.toggle("outside", !inside(at));
      if (inside(at)) element.setAttribute("x", at);
    }
    for (const { element, from, to, width } of spans) {
      const left = Math.max(toScreen(from), LEFT), right = Math.min(toScreen(to), RIGHT);
      element.classList.toggle("tight", right - left < width);
      element.setAttribute("x", left + 4);
    }
    for (const { element, line, label, x, width } of moments) {
      const at = toScreen(x);
      element.classList.toggle("outside", !inside(at));
      line.setAttribute("x1", at);
      line.setAttribute("x2", at);
      label.setAttribute("x", Math.min(at, RIGHT - width) + 4);
    }
    drawTicks();
  }

  function drawTicks() {
    const least = (END - START) / scale / 14, decade = 10 ** Math.floor(Math.log10(least));
    const step = [1, 2, 5, 10].map((each) => each * decade).find((each) => each >= least * 0.999);
    const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    tickGroup.replaceChildren();
    for (let i = Math.ceil(toTime(LEFT) / step - 1e-9); i * step <= toTime(RIGHT) + 1e-9; i++) {
      const x = toScreen(toUnit(i * step));
      tickGroup.append(
        make("line", { x1: x, x2: x, y1: AXIS, y2: AXIS + 5, class: "axis" }),
        make("text", { x, y: AXIS + 18, class: "tick middle" }, (i * step).toFixed(digits)),
      );
    }
  }

  const zoom = (factor, screen = (LEFT + RIGHT) / 2) => {
    const fixed = origin + (screen - LEFT) / scale;
    const next = Math.min(Math.max(scale * factor, 1), MAX_SCALE);
    show(next, fixed - (screen - LEFT) / next);
  };
  const pan = (share) => show(scale, origin + share * WIDTH / scale);
  const focusOn = (from, to) => show(WIDTH / (to - from), from);
  const actions = {
    in: () => zoom(1.6), out: () => zoom(1 / 1.6), left: () => pan(-0.2), right: () => pan(0.2),
    reset: () => show(1, LEFT),
    fault: () => {
      const from = number(band, "x"), width = number(band, "width");
      focusOn(from - 0.15 * width, from + 1.35 * width);
    },
  };

  function point(event) {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    return { x: at.x, y: at.y };
  }

  function nearest(at) {
    let best = null, least = 10;
    for (const mark of marks) {
      const distance = Math.hypot(toScreen(mark.x) - at.x, mark.y - at.y);
      if (distance < least) [best, least] = [mark, distance];
    }
    return best;
  }

  function showTip(mark) {
    svg.querySelector(".chosen")?.classList.remove("chosen");
    tip.hidden = !mark;
    if (!mark) return;
    mark.element.classList.add("chosen");
    tip.textContent = mark.element.querySelector("title").textContent;
    const box = chart.getBoundingClientRect();
    const at = new DOMPoint(toScreen(mark.x), mark.y).matrixTransform(svg.getScreenCTM());
    const left = at.x - box.left + chart.scrollLeft;
    tip.style.left = `${Math.max(4, Math.min(left + 12, box.width - tip.offsetWidth - 8))}px`;
    tip.style.top = `${at.y - box.top + 14}px`;
  }

  function read(screen) {
    cursor.classList.toggle("outside", !inside(screen));
    if (!inside(screen)) return;
    cursor.setAttribute("x1", screen);
    cursor.setAttribute("x2", screen);
    const time = toTime(screen);
    const bin = bins.rows[Math.floor((time - bins.start) / bins.width)];
    const parts = [`${time.toFixed(3)} s`];
    if (bin) {
      parts.push(`${Math.round(bin.total / bins.width)} requests/s`);
      if (bin.p50_ms !== null) parts.push(`median ${bin.p50_ms} ms`, `99th percentile ${bin.p99_ms} ms`);
      for (const kind of ["slow", "unknown", "failed"]) if (bin[kind]) parts.push(`${bin[kind]} ${kind}`);
    }
    readout.textContent = parts.join(" · ");
  }

  function walk(step) {
    if (!walkable.length) return;
    chosen = (chosen + step + walkable.length) % walkable.length;
    const mark = walkable[chosen];
    if (!inside(toScreen(mark.x))) show(scale, mark.x - WIDTH / scale / 2);
    draw();
    showTip(mark);
  }

  const keys = {
    "+": actions.in, "=": actions.in, "-": actions.out, "0": actions.reset, Home: actions.reset,
    ArrowLeft: actions.left, ArrowRight: actions.right, n: () => walk(1), p: () => walk(-1), Escape: () => showTip(null),
  };
  chart.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });

  // The wheel zooms only after a click on the chart or with Ctrl, so that the page can be scrolled past the chart.
  chart.addEventListener("wheel", (event) => {
    if (document.activeElement !== chart && !event.ctrlKey) return;
    event.preventDefault();
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) pan(event.deltaX / 1000);
    else zoom(Math.exp(-event.deltaY / 400), point(event).x);
  }, { passive: false });

  let drag = null;
  svg.addEventListener("pointerdown", (event) => {
    drag = { x: point(event).x, origin };
    svg.setPointerCapture(event.pointerId);
    chart.focus({ preventScroll: true });
  });
  svg.addEventListener("pointerup", () => { drag = null; });
  svg.addEventListener("pointercancel", () => { drag = null; });
  svg.addEventListener("pointermove", (event) => {
    const at = point(event);
    if (drag) show(scale, drag.origin - (at.x - drag.x) / scale);
    read(at.x);
    showTip(drag ? null : nearest(at));
  });
  svg.addEventListener("pointerleave", () => { showTip(null); cursor.classList.add("outside"); });
  svg.addEventListener("dblclick", (event) => zoom(2.5, point(event).x));

  for (const button of document.querySelectorAll("[data-do]")) {
    if (button.dataset.do === "fault" && !band) button.remove();
    else button.addEventListener("click", actions[button.dataset.do]);
  }
  for (const button of document.querySelectorAll(".jump")) {
    button.addEventListener("click", () => {
      const at = toUnit(+button.dataset.t), half = WIDTH / (END - START) / 2;
      focusOn(at - half, at + half);
      chart.scrollIntoView({ block: "center" });
      chart.focus({ preventScroll: true });
    });
  }
  document.documentElement.classList.add("js");
  document.querySelector(".controls").hidden = false;
})();
