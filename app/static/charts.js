/* PowerHive: draws <figure data-chart="url"> (macros/chart.html) with uPlot from the JSON of web/chart.py. */
(function () {
  "use strict";
  var lang = document.documentElement.lang || "en";
  if (lang === "en") { lang = "en-GB"; } // day before month, as the server writes it
  var ALONE_S = 60;
  var STROKE_W = 1.75;
  var NARROW_PX = 520;
  var NEAR_PX = 6; // as near to the crosshair a mark is named
  var FONT = "px system-ui, sans-serif";

  function colour(name) { return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim(); }

  function digitsOf(digits) {
    return new Intl.NumberFormat(lang, { minimumFractionDigits: digits, maximumFractionDigits: digits });
  }

  var plain = new Intl.NumberFormat(lang, { maximumFractionDigits: 2 });
  var clock = new Intl.DateTimeFormat(lang, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  var seconds = new Intl.DateTimeFormat(lang, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
  var day = new Intl.DateTimeFormat(lang, { day: "numeric", month: "short" });
  var full = new Intl.DateTimeFormat(lang, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit",
    hourCycle: "h23" });

  function moment(x, data) { return data.time ? full.format(new Date(x * 1000)) : plain.format(x); }

  // --- axes -------------------------------------------------------------------------------------------------------

  function timeTicks(_plot, ticks, _axis, _space, step) {
    var shown = null;
    return ticks.map(function (tick) {
      var at = new Date(tick * 1000);
      var date = day.format(at);
      if (step >= 86400) { return date; }
      var text = (step < 60 ? seconds : clock).format(at);
      if (date !== shown) { text += "\n" + date; shown = date; }
      return text;
    });
  }

  function axes(data, narrow) {
    var size = narrow ? 11 : 12;
    var line = { stroke: colour("muted"), grid: { stroke: colour("chart-grid"), width: 1 }, ticks: { stroke: colour("chart-grid"), width: 1, size: 5 },
      font: size + FONT, gap: 4 };
    var bottom = Object.assign({ space: narrow ? 58 : 76, size: data.time ? 40 : 32 }, line);
    if (data.time) { bottom.values = timeTicks; } else {
      bottom.values = function (_plot, ticks) { return ticks.map(function (tick) { return plain.format(tick); }); };
      bottom.label = data.x_label; bottom.labelSize = 18; bottom.labelFont = line.font;
    }
    var sides = ["left", "right"].filter(function (side) { return data.series.some(function (s) { return s.axis === side; }); });
    return [bottom].concat(sides.map(function (side) {
      var unit = data.series.find(function (s) { return s.axis === side; }).unit;
      return Object.assign({}, line, {
        scale: side, side: side === "left" ? 3 : 1, space: 36,
        size: function (plot, values) { // as wide as the longest number, and no wider: a phone has no room to give away
          if (!values || !values.length) { return 40; }
          plot.ctx.font = size * devicePixelRatio + FONT;
          var widest = Math.max.apply(null, values.map(function (text) { return plot.ctx.measureText(text || "").width; }));
          return Math.ceil(widest / devicePixelRatio) + 14;
        },
        values: function (_plot, ticks) {
          return ticks.map(function (tick, at) { return plain.format(tick) + (at === ticks.length - 1 && unit ? " " + unit : ""); });
        },
        grid: side === "left" || sides.length === 1 ? line.grid : { show: false }
      });
    }));
  }

  // --- lines and marks --------------------------------------------------------------------------------------------

  function newest(values) {
    for (var at = values.length - 1; at >= 0; at--) { if (values[at] !== null && values[at] !== undefined) { return values[at]; } }
    return null;
  }

  function lonely(values) { // between two gaps there is no line to draw
    var found = [];
    values.forEach(function (value, at) {
      if (value !== null && (values[at - 1] === null || at === 0) && (values[at + 1] === null || at === values.length - 1)) { found.push(at); }
    });
    return found;
  }

  function lineOf(series) {
    var paint = colour("chart-" + series.colour);
    var format = digitsOf(series.digits);
    var found = {
      label: series.label, scale: series.axis, stroke: paint, width: STROKE_W, spanGaps: false,
      points: { show: false, size: 4, fill: paint, filter: function (plot, at) { return lonely(plot.data[at]); } },
      // without a crosshair the legend tells the newest values
      value: function (plot, value, at, index) {
        var shown = index === null || index === undefined ? newest(plot.data[at]) : value;
        return shown === null || shown === undefined ? "–" : format.format(shown) + (series.unit ? " " + series.unit : "");
      }
    };
    if (series.style === "area") { found.fill = alpha(paint, 0.13); }
    if (series.style === "step") { found.paths = uPlot.paths.stepped({ align: 1 }); }
    if (series.style === "dots") { found.paths = function () { return null; }; found.points = { show: true, size: 7, fill: paint }; }
    if (series.colour === "target") { found.dash = [6, 4]; }
    return found;
  }

  function alpha(hex, share) {
    var short = hex.length === 4;
    var parts = [0, 1, 2].map(function (at) {
      return parseInt(short ? hex[at + 1] + hex[at + 1] : hex.slice(1 + 2 * at, 3 + 2 * at), 16);
    });
    return "rgba(" + parts.join(",") + "," + share + ")";
  }

  // One point alone has no width, and an axis without width has no ticks that mean anything.
  function wide(plot, min, max) {
    var x = plot.data[0];
    return x.length > 1 ? [min, max] : [x[0] - ALONE_S / 2, x[0] + ALONE_S / 2];
  }

  function drawMarks(plot, marks) {
    var context = plot.ctx, unit = devicePixelRatio, box = plot.bbox;
    context.save();
    marks.forEach(function (mark) {
      if (mark.x < plot.scales.x.min || mark.x > plot.scales.x.max) { return; }
      var at = Math.round(plot.valToPos(mark.x, "x", true));
      if (mark.kind === "refused") { // a triangle on the upper edge
        context.fillStyle = colour("bad");
        context.beginPath();
        context.moveTo(at - 4 * unit, box.top); context.lineTo(at + 4 * unit, box.top); context.lineTo(at, box.top + 7 * unit);
        context.fill();
      } else {
        context.fillStyle = colour("muted");
        context.fillRect(at - unit / 2, box.top + box.height - 7 * unit, Math.max(1, unit), 7 * unit);
      }
    });
    context.restore();
  }

  function named(plot, marks) { // what the mark nearest to the crosshair was
    var left = plot.cursor.left, best = null, nearest = NEAR_PX;
    if (left === undefined || left === null || left < 0) { return null; }
    marks.forEach(function (mark) {
      var far = Math.abs(plot.valToPos(mark.x, "x") - left);
      if (far <= nearest) { nearest = far; best = mark; }
    });
    return best;
  }

  // --- one chart --------------------------------------------------------------------------------------------------

  function Drawn(figure) {
    this.figure = figure;
    this.place = figure.querySelector(".plot");
    this.note = figure.querySelector(".mark-note");
    this.whole = figure.querySelector(".whole-span");
    this.steps = Array.from(figure.querySelectorAll("[data-zoom]"));
    this.told = figure.querySelector(".chart-note");
    this.url = figure.dataset.chart;
    this.plot = null;
    this.shape = "";
    this.data = null;
  }

  Drawn.prototype.say = function (text) {
    var note = document.createElement("p");
    note.className = "said";
    note.textContent = text;
    this.place.replaceChildren(note);
  };

  Drawn.prototype.load = function () {
    var self = this;
    var asked = this.url;
    if (!this.plot) { this.say(this.place.dataset.loading); }
    return fetch(asked, { headers: { Accept: "application/json" }, credentials: "same-origin" }).then(function (answer) {
      if (!answer.ok) { throw new Error(answer.status); }
      return answer.json();
    }).then(function (data) {
      if (asked === self.url) { self.data = data; self.draw(); }
    }).catch(function () {
      if (asked !== self.url) { return; }
      if (!self.plot) { self.say(self.place.dataset.lost); }
      self.figure.classList.add("stale");
    });
  };

  Drawn.prototype.draw = function () {
    var data = this.data;
    this.figure.classList.remove("stale");
    if (this.told) { this.told.textContent = data.note || ""; }
    if (!data.x.length) { this.drop(); this.say(data.empty); return; }
    var values = [data.x].concat(data.series.map(function (s) { return s.values; }));
    var shape = JSON.stringify([data.time, data.x_label, this.narrow(), data.series.map(function (s) {
      return [s.label, s.unit, s.colour, s.style, s.axis];
    })]);
    if (this.plot && shape === this.shape) { this.renew(values); return; }
    this.drop();
    this.place.replaceChildren();
    this.figure.classList.add("drawn");
    this.shape = shape;
    this.plot = new uPlot(this.options(data), values, this.place);
    this.noteZoom();
  };

  // New numbers under a zoomed chart: keep what the reader looks at. uPlot draws nothing before it is given a scale.
  Drawn.prototype.renew = function (values) {
    if (!this.zoomed()) { this.plot.setData(values); return; }
    var x = this.plot.scales.x, kept = { min: x.min, max: x.max };
    this.plot.setData(values, false);
    this.plot.setScale("x", kept);
  };

  Drawn.prototype.zoomed = function () {
    var x = this.plot.scales.x, all = this.ends();
    return x.min > all.min || x.max < all.max;
  };

  Drawn.prototype.ends = function () {
    var x = this.plot.data[0];
    return { min: x[0], max: x[x.length - 1] };
  };

  // What one step of a button makes of the part that is shown; null where it would change nothing.
  Drawn.prototype.stepped = function (step) {
    var x = this.plot.scales.x, all = this.ends();
    var whole = all.max - all.min, width = x.max - x.min, middle = (x.min + x.max) / 2;
    if (step === "closer") { width /= 2; } else if (step === "wider") { width *= 2; } else { middle += (step === "earlier" ? -width : width) / 2; }
    if (step === "closer" && width < whole / (this.plot.data[0].length - 1)) { return null; } // between two points is nothing
    if (width >= whole) { return this.zoomed() ? all : null; }
    var min = Math.min(Math.max(middle - width / 2, all.min), all.max - width);
    return min === x.min && min + width === x.max ? null : { min: min, max: min + width };
  };

  Drawn.prototype.narrow = function () { return this.place.clientWidth < NARROW_PX; };

  Drawn.prototype.height = function () { // data-height, and more where there is room for it (--chart-share of the width)
    var given = parseInt(this.figure.dataset.height, 10);
    var share = parseFloat(getComputedStyle(this.place).getPropertyValue("--chart-share")) || 0.32;
    return Math.round(Math.max(given, Math.min(this.place.clientWidth * share, given * 1.6)));
  };

  Drawn.prototype.options = function (data) {
    var self = this;
    var first = { label: data.x_label, value: function (plot, value) { return moment(value === null || value === undefined ? newest(plot.data[0]) : value, data); } };
    return {
      width: this.place.clientWidth, height: this.height(), padding: [12, 18, 0, 0],
      scales: { x: { time: data.time, range: wide } }, axes: axes(data, this.narrow()), series: [first].concat(data.series.map(lineOf)),
      cursor: { drag: { x: true, y: false, dist: 5 }, points: { size: 7 } }, legend: { live: true, markers: { width: 0, fill: function (plot, at) { return plot.series[at].stroke(plot, at); } } },
      hooks: {
        draw: [function (plot) { drawMarks(plot, self.data.marks); }],
        setCursor: [function (plot) { self.noteMark(named(plot, self.data.marks)); }],
        setScale: [function (_plot, name) { if (name === "x" && self.plot) { self.noteZoom(); } }]
      }
    };
  };

  Drawn.prototype.noteMark = function (mark) {
    if (this.note) { this.note.textContent = mark ? moment(mark.x, this.data) + "  " + mark.label : ""; }
  };

  Drawn.prototype.noteZoom = function () {
    var self = this;
    if (this.whole) {
      if (document.activeElement === this.whole && !this.zoomed() && this.steps.length) { this.steps[0].focus(); } // it goes
      this.whole.hidden = !this.zoomed();
    }
    // No `disabled`: a key pressed once too often would lose its place in the page.
    this.steps.forEach(function (button) { button.setAttribute("aria-disabled", self.stepped(button.dataset.zoom) === null); });
  };

  Drawn.prototype.showWhole = function () { if (this.plot) { this.plot.setScale("x", this.ends()); } };

  Drawn.prototype.step = function (step) {
    var wanted = this.plot && this.stepped(step);
    if (wanted) { this.plot.setScale("x", wanted); }
  };

  Drawn.prototype.drop = function () {
    if (this.plot) { this.plot.destroy(); this.plot = null; this.shape = ""; }
    this.figure.classList.remove("drawn");
    if (this.whole) { this.whole.hidden = true; }
  };

  Drawn.prototype.redraw = function () { this.drop(); if (this.data) { this.draw(); } };

  Drawn.prototype.fit = function () {
    if (!this.plot || !this.place.clientWidth) { return; }
    var size = { width: this.place.clientWidth, height: this.height() };
    if (size.width !== this.plot.width || size.height !== this.plot.height) { this.plot.setSize(size); }
  };

  Drawn.prototype.choose = function (link) {
    this.url = link.dataset.chartUrl;
    this.figure.querySelectorAll("[data-chart-url]").forEach(function (other) { other.removeAttribute("aria-current"); });
    link.setAttribute("aria-current", "true");
    var table = this.figure.querySelector("[hx-get]");
    if (table) {
      table.setAttribute("hx-get", this.url);
      window.htmx.process(table);
      if (table.closest("details").open) { window.htmx.ajax("GET", this.url, { target: table, swap: "innerHTML" }); }
    }
    this.drop();
    this.load();
  };

  function start(figure) {
    var drawn = new Drawn(figure);
    figure.addEventListener("click", function (event) {
      var link = event.target.closest("[data-chart-url]");
      if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) { event.preventDefault(); drawn.choose(link); }
    });
    if (drawn.whole) { drawn.whole.addEventListener("click", function () { drawn.showWhole(); }); }
    drawn.steps.forEach(function (button) { button.addEventListener("click", function () { drawn.step(button.dataset.zoom); }); });
    new ResizeObserver(function () { window.requestAnimationFrame(function () { drawn.fit(); }); }).observe(drawn.place);
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", function () { drawn.redraw(); });
    var refresh = parseFloat(figure.dataset.refreshS || "0");
    if (refresh > 0) {
      setInterval(function () { if (!document.hidden) { drawn.load(); } }, refresh * 1000);
      document.addEventListener("visibilitychange", function () { if (!document.hidden) { drawn.load(); } });
    }
    drawn.load();
  }

  document.querySelectorAll("figure[data-chart]").forEach(start);
})();
