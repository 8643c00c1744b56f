/* PowerHive: draws <figure data-chart="url"> (macros/chart.html) with uPlot from the JSON of web/chart.py. */
(function () {
  "use strict";
  var lang = document.documentElement.lang || "en";
  var STROKE_W = 1.75;

  function colour(name) { return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim(); }

  function digitsOf(digits) {
    return new Intl.NumberFormat(lang, { minimumFractionDigits: digits, maximumFractionDigits: digits });
  }

  var plain = new Intl.NumberFormat(lang, { maximumFractionDigits: 1 });
  var clock = new Intl.DateTimeFormat(lang, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  var day = new Intl.DateTimeFormat(lang, { day: "numeric", month: "short" });
  var full = new Intl.DateTimeFormat(lang, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit",
    hourCycle: "h23" });

  function timeTicks(_plot, ticks) {
    var shown = null;
    return ticks.map(function (tick) {
      var moment = new Date(tick * 1000);
      var date = day.format(moment);
      var text = clock.format(moment);
      if (date !== shown) { text += "\n" + date; shown = date; }
      return text;
    });
  }

  function axes(data) {
    var line = { stroke: colour("muted"), grid: { stroke: colour("chart-grid"), width: 1 }, ticks: { stroke: colour("chart-grid"), width: 1 },
      font: "12px system-ui, sans-serif" };
    var bottom = Object.assign({ space: 70 }, line);
    if (data.time) { bottom.values = timeTicks; } else { bottom.label = data.x_label; bottom.labelSize = 18; bottom.labelFont = line.font; }
    var sides = ["left", "right"].filter(function (side) { return data.series.some(function (s) { return s.axis === side; }); });
    return [bottom].concat(sides.map(function (side) {
      var first = data.series.find(function (s) { return s.axis === side; });
      return Object.assign({}, line, {
        scale: side, side: side === "left" ? 3 : 1, size: 56, label: first.unit, labelSize: 16, labelFont: line.font,
        values: function (_plot, ticks) { return ticks.map(function (tick) { return plain.format(tick); }); },
        grid: side === "left" ? line.grid : { show: false }
      });
    }));
  }

  function lineOf(series) {
    var paint = colour("chart-" + series.colour);
    var format = digitsOf(series.digits);
    var found = {
      label: series.label, scale: series.axis, stroke: paint, width: STROKE_W, points: { show: false }, spanGaps: false,
      value: function (_plot, value) { return value === null || value === undefined ? "–" : format.format(value) + " " + series.unit; }
    };
    if (series.style === "area") { found.fill = paint + "22"; }
    if (series.style === "step") { found.paths = uPlot.paths.stepped({ align: 1 }); }
    if (series.style === "dots") { found.paths = function () { return null; }; found.points = { show: true, size: 7, fill: paint }; }
    if (series.colour === "target") { found.dash = [6, 4]; }
    return found;
  }

  function drawMarks(plot, marks) {
    var context = plot.ctx;
    context.save();
    marks.forEach(function (mark) {
      if (mark.x < plot.scales.x.min || mark.x > plot.scales.x.max) { return; }
      var at = Math.round(plot.valToPos(mark.x, "x", true));
      var refused = mark.kind === "refused";
      context.fillStyle = colour(refused ? "bad" : "accent");
      if (refused) { context.fillRect(at - 1, plot.bbox.top, 3, 8 * devicePixelRatio); }
      else { context.fillRect(at, plot.bbox.top + plot.bbox.height - 6 * devicePixelRatio, 2, 6 * devicePixelRatio); }
    });
    context.restore();
  }

  function say(place, text) {
    var note = document.createElement("p");
    note.className = "said";
    note.textContent = text;
    place.replaceChildren(note);
  }

  function Drawn(figure) {
    this.figure = figure;
    this.place = figure.querySelector(".plot");
    this.url = figure.dataset.chart;
    this.plot = null;
    this.shape = "";
    this.data = null;
  }

  Drawn.prototype.load = function () {
    var self = this;
    var asked = this.url;
    if (!this.plot) { say(this.place, this.place.dataset.loading); }
    return fetch(asked, { headers: { Accept: "application/json" }, credentials: "same-origin" }).then(function (answer) {
      if (!answer.ok) { throw new Error(answer.status); }
      return answer.json();
    }).then(function (data) {
      if (asked === self.url) { self.data = data; self.draw(); }
    }).catch(function () {
      if (!self.plot) { say(self.place, self.place.dataset.lost); }
      self.figure.classList.add("stale");
    });
  };

  Drawn.prototype.draw = function () {
    var data = this.data;
    this.figure.classList.remove("stale");
    if (!data.x.length) { this.drop(); say(this.place, data.empty); return; }
    var values = [data.x].concat(data.series.map(function (s) { return s.values; }));
    var shape = JSON.stringify([data.time, data.x_label, data.series.map(function (s) { return [s.label, s.unit, s.colour, s.style, s.axis]; })]);
    if (this.plot && shape === this.shape) { this.plot.setData(values, !this.zoomed()); return; }
    this.drop();
    this.place.replaceChildren();
    this.shape = shape;
    this.plot = new uPlot(this.options(data), values, this.place);
  };

  Drawn.prototype.zoomed = function () {
    var x = this.plot.scales.x, old = this.plot.data[0];
    return x.min > old[0] || x.max < old[old.length - 1];
  };

  Drawn.prototype.options = function (data) {
    var self = this;
    var first = data.time
      ? { label: data.x_label, value: function (_plot, value) { return value === null ? "–" : full.format(new Date(value * 1000)); } }
      : { label: data.x_label, value: function (_plot, value) { return value === null ? "–" : plain.format(value); } };
    return {
      width: this.place.clientWidth, height: parseInt(this.figure.dataset.height, 10),
      scales: { x: { time: data.time } }, axes: axes(data), series: [first].concat(data.series.map(lineOf)),
      cursor: { drag: { x: true, y: false } }, legend: { live: true },
      hooks: { draw: [function (plot) { drawMarks(plot, self.data.marks); }] }
    };
  };

  Drawn.prototype.drop = function () {
    if (this.plot) { this.plot.destroy(); this.plot = null; this.shape = ""; }
  };

  Drawn.prototype.redraw = function () { this.drop(); if (this.data) { this.draw(); } };

  Drawn.prototype.choose = function (link) {
    this.url = link.dataset.chartUrl;
    this.figure.querySelectorAll("[data-chart-url]").forEach(function (other) { other.removeAttribute("aria-current"); });
    link.setAttribute("aria-current", "true");
    var table = this.figure.querySelector("[hx-get]");
    if (table) { table.setAttribute("hx-get", this.url); window.htmx.process(table); }
    this.drop();
    this.load();
  };

  function start(figure) {
    var drawn = new Drawn(figure);
    figure.addEventListener("click", function (event) {
      var link = event.target.closest("[data-chart-url]");
      if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) { event.preventDefault(); drawn.choose(link); }
    });
    new ResizeObserver(function () {
      if (drawn.plot && drawn.place.clientWidth) { drawn.plot.setSize({ width: drawn.place.clientWidth, height: drawn.plot.height }); }
    }).observe(drawn.place);
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", function () { drawn.redraw(); });
    var refresh = parseFloat(figure.dataset.refreshS || "0");
    if (refresh > 0) { setInterval(function () { if (!document.hidden) { drawn.load(); } }, refresh * 1000); }
    drawn.load();
  }

  document.querySelectorAll("figure[data-chart]").forEach(start);
})();
